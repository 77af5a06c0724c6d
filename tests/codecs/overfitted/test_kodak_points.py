"""Fits of effort 2 of Kodak photographs, an hour and more of CPU time: the files behind the BD-rates of the manual.

All are the files that were measured, by their SHA-256. Three are decoded, however many there are: the smallest, the
middle one and the largest. ISORATE_POINTS=all decodes every one, as is due once for a new file.
"""

import csv
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.codecs.overfitted import OverfittedCodec
from isorate.codecs.overfitted.bitstream.header import unpack
from isorate.metrics import ms_ssim, psnr

FOLDER = Path(__file__).parents[2] / "data" / "overfitted-kodak"
POINTS = list(csv.DictReader((FOLDER / "points.csv").read_text(encoding="utf-8").splitlines()))
BY_RATE = sorted(POINTS, key=lambda point: float(point["bpp"]))
DECODED = POINTS if os.environ.get("ISORATE_POINTS") == "all" else [BY_RATE[at] for at in (0, len(POINTS) // 2, -1)]


def name(point: dict[str, str]) -> str:
    return point["file"]


def test_every_file_has_its_row() -> None:
    assert sorted(map(name, POINTS)) == sorted(path.name for path in FOLDER.glob("*.ofi"))


@pytest.mark.parametrize("point", POINTS, ids=name)
def test_a_file_is_the_one_that_was_measured(point: dict[str, str]) -> None:
    data = (FOLDER / point["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == point["sha256"]
    header, _ = unpack(data)
    assert {header.height, header.width} == {512, 768}
    assert 8 * len(data) / (header.height * header.width) == pytest.approx(float(point["bpp"]), abs=1e-6)


@pytest.mark.kodak
@pytest.mark.parametrize("point", DECODED, ids=name)
def test_a_file_decodes_to_what_was_measured(kodak_dir: Path, point: dict[str, str]) -> None:
    image = np.asarray(PillowImage.open(kodak_dir / f"{point['image']}.png"))
    picture = OverfittedCodec().decode((FOLDER / point["file"]).read_bytes())
    assert picture.shape == image.shape
    assert psnr(image, picture) == pytest.approx(float(point["psnr"]), abs=0.01)
    assert ms_ssim(image, picture) == pytest.approx(float(point["ms_ssim"]), abs=1e-4)
