import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from isorate.reports.bdrate import bd_rate, frontier, of_codec, over_images
from isorate.reports.curves import Curve, CurvePoint, complete_images, of_dataset
from isorate.reports.results import Comparison
from isorate.runs.folder import Run


def curve(name: str, rates: list[float], quality: list[float], ms_ssim: float | None = None) -> Curve:
    return Curve(name, tuple(CurvePoint(r, q, ms_ssim) for r, q in zip(rates, quality, strict=True)))


RATES = [0.1, 0.2, 0.4, 0.8]
ANCHOR = curve("anchor", RATES, [28, 31, 34, 37])


def test_a_tenth_smaller_at_every_quality() -> None:
    test = curve("test", [0.9 * rate for rate in RATES], [28, 31, 34, 37])
    rate = bd_rate(ANCHOR, test, "psnr")
    assert rate.percent == pytest.approx(-10, abs=1e-6)
    assert (rate.low, rate.high, rate.overlap) == (28, 37, 1)


def test_little_overlap_is_refused() -> None:
    rate = bd_rate(ANCHOR, curve("test", RATES, [36.6, 39, 42, 45]), "psnr")
    assert rate.percent is None
    assert "quality range" in rate.reason


def test_no_overlap_is_refused() -> None:
    assert bd_rate(ANCHOR, curve("test", RATES, [40, 41, 42, 43]), "psnr").overlap == 0


def test_few_points_are_refused_and_named() -> None:
    rate = bd_rate(ANCHOR, curve("one", [0.2], [30]), "psnr")
    assert rate.percent is None
    assert rate.reason == "one has 1 usable point; a curve needs 4"


def test_dominated_infinite_and_unknown_points_are_left_out() -> None:
    bent = curve("bent", [0.1, 0.15, 0.2, 0.4, 0.8, 1.6], [28, 27.5, 31, 34, 37, math.inf])
    assert [rate for rate, _ in frontier(bent, "psnr")] == [0.1, 0.2, 0.4, 0.8]
    assert bd_rate(ANCHOR, bent, "psnr").percent == pytest.approx(0, abs=1e-9)
    assert frontier(bent, "ms_ssim") == []
    assert frontier(curve("perfect", [1], [30], 1.0), "ms_ssim") == []


def test_run_has_a_bd_rate_with_the_images_beside_it(run: Run) -> None:
    comparison = Comparison(run)
    rate = of_codec(comparison, comparison.columns[1], "psnr")
    assert rate.percent is not None
    assert rate.images is not None
    assert rate.images.count >= 2


def test_the_interval_over_images_ends_where_files_are_empty() -> None:
    images = over_images([-90.0, -10.0, None])
    assert images is not None
    assert (images.mean, images.low, images.count) == (-50, -100, 2)
    assert images.high == pytest.approx(-50 + 12.7062 * 40, abs=0.01)


def test_one_point_is_refused(hostile_run: Run) -> None:
    comparison = Comparison(hostile_run)
    assert "a curve needs 4" in of_codec(comparison, comparison.columns[1], "psnr").reason


def test_both_sides_are_means_over_the_same_images(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    part = Run.open(tmp_path / "run")
    failed = next(row for row in part.rows() if row.image == "chelsea" and row.codec == "jpeg2000")
    part.write_row(replace(failed, status="failed: no", bpp=None, psnr=None, ms_ssim=None, stream="", decoded=""))
    comparison = Comparison(part)
    anchor, jpeg2000, _ = comparison.columns
    others = [image.name for image in comparison.images if image.name != "chelsea"]
    assert complete_images(comparison, anchor, jpeg2000) == others
    ours, theirs = (of_dataset(comparison, some, {"psnr": others}) for some in (jpeg2000, anchor))
    expected = bd_rate(theirs, ours, "psnr")
    assert of_codec(comparison, jpeg2000, "psnr").percent == expected.percent


def test_a_codec_that_failed_on_every_image_is_not_told_as_a_lack_of_the_anchors(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    part = Run.open(tmp_path / "run")
    failed = {row.image: row for row in part.rows() if row.codec == "jpeg2000"}  # a point of each image
    for row in failed.values():
        part.write_row(replace(row, status="failed: no", bpp=None, psnr=None, ms_ssim=None, stream="", decoded=""))
    comparison = Comparison(part)
    _, jpeg2000, jpeg = comparison.columns
    rate = of_codec(comparison, jpeg2000, "psnr")
    assert rate.percent is None
    assert rate.reason == f"{jpeg2000.label} has no image with a value at every operating point"
    assert rate.left_out == tuple(image.name for image in comparison.images)
    assert of_codec(comparison, jpeg, "psnr").percent is not None
