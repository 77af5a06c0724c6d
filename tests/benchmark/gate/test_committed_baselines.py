"""The baselines that this repository guards itself with."""

from pathlib import Path

import pytest

from isorate.datasets.images import load_image
from isorate.datasets.samples import samples
from isorate.gate.baseline import Baseline, lines_of_rows

FOLDER = Path(__file__).parents[3] / ".ci" / "baselines"
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_image_codec_and_point_has_its_row(file: Path) -> None:
    baseline = Baseline.read(file)
    points = {row.point for row in baseline.rows}
    assert len(lines_of_rows(file)) == len(baseline.rows) == len(baseline.images) * len(baseline.codecs) * len(points)
    assert {"bpg", "jpeg2000", "jpeg"} <= set(baseline.codecs)
    assert all(row.slope_from and row.psnr_slope and row.psnr_slope > 0 for row in baseline.rows)


def test_the_samples_are_the_ones_that_are_installed() -> None:
    baseline = Baseline.read(FOLDER / "samples.json")
    assert {source.name: load_image(source.path).sha256 for source in samples().sources} == {
        name: image.sha256 for name, image in baseline.images.items()
    }
