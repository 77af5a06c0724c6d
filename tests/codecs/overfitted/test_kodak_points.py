"""Fits of effort 2 of Kodak photographs, an hour and more of CPU time: the files behind the BD-rates of the manual."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.codecs.overfitted import OverfittedCodec
from isorate.metrics import ms_ssim, psnr

FOLDER = Path(__file__).parents[2] / "data" / "overfitted-kodak"
POINTS = list(csv.DictReader((FOLDER / "points.csv").read_text(encoding="utf-8").splitlines()))


def test_every_file_has_its_row() -> None:
    assert sorted(point["file"] for point in POINTS) == sorted(path.name for path in FOLDER.glob("*.ofi"))


@pytest.mark.kodak
@pytest.mark.parametrize("point", POINTS, ids=[point["file"] for point in POINTS])
def test_a_file_decodes_to_what_was_measured(kodak_dir: Path, point: dict[str, str]) -> None:
    image = np.asarray(PillowImage.open(kodak_dir / f"{point['image']}.png"))
    data = (FOLDER / point["file"]).read_bytes()
    picture = OverfittedCodec().decode(data)
    assert 8 * len(data) / (image.shape[0] * image.shape[1]) == pytest.approx(float(point["bpp"]), abs=1e-6)
    assert psnr(image, picture) == pytest.approx(float(point["psnr"]), abs=0.01)
    assert ms_ssim(image, picture) == pytest.approx(float(point["ms_ssim"]), abs=1e-4)
