import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isorate.reports import page, tables
from isorate.reports.bdrate import of_codec
from isorate.reports.curves import complete_images
from isorate.reports.results import Comparison
from isorate.reports.summary import difference, exclusions, mean, summarize, win_rate
from isorate.runs.folder import Run


def test_means_are_of_the_images_values(run: Run) -> None:
    comparison = Comparison(run)
    level = comparison.levels()[0]
    for some in summarize(comparison, level):
        rows = [row for row in run.rows() if row.codec == some.column.codec and row.point == level.label]
        assert some.psnr == pytest.approx(sum(row.psnr or 0 for row in rows) / len(rows))
        defined = [row.ms_ssim for row in rows if row.ms_ssim is not None]
        assert len(defined) < len(rows)
        assert some.ms_ssim == pytest.approx(sum(defined) / len(defined))
        assert some.cells == 4
        assert some.failed == 0


def test_the_anchor_is_not_compared_with_itself(run: Run) -> None:
    comparison = Comparison(run)
    anchor, *others = summarize(comparison, comparison.levels()[0])
    assert anchor.column.anchor
    assert anchor.difference_psnr is None
    assert anchor.wins_psnr is None
    assert all(some.difference_psnr is not None for some in others)


def test_failed_and_identical_cells(hostile_run: Run) -> None:
    comparison = Comparison(hostile_run)
    webp, jpeg2000, jpeg = summarize(comparison, comparison.levels()[0])
    assert webp.psnr == math.inf
    assert jpeg.failed == 1
    assert jpeg.psnr is None
    assert jpeg.difference_psnr is None
    assert jpeg2000.difference_psnr is not None
    assert jpeg2000.difference_psnr.mean == -math.inf
    assert jpeg2000.difference_psnr.low is None


@pytest.mark.parametrize("count", [2, 3, 6, 24])
def test_intervals_hold_the_true_mean_as_often_as_they_say(count: int) -> None:
    generator = np.random.default_rng(0)
    found = [difference([(value, 0.0) for value in generator.normal(0, 1, count)]) for _ in range(400)]
    held = sum(some is not None and not some.clear for some in found)
    assert 0.925 <= held / 400 <= 0.975


def test_an_interval_is_students_around_the_mean() -> None:
    interval = difference([(31.0, 30.0), (33.0, 30.0)])
    assert interval is not None
    # the standard error is 1, and Student's t of one degree of freedom is above 12.7062 in 2.5 % of cases
    assert (interval.mean, interval.count, interval.clear) == (2, 2, False)
    assert (interval.low, interval.high) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)


def test_equal_differences_have_an_interval_of_no_width() -> None:
    interval = difference([(0.1, 0.0)] * 3)
    assert interval is not None
    assert interval.low == interval.mean == interval.high
    assert interval.clear


def test_one_pair_has_no_interval() -> None:
    interval = difference([(1.0, 0.5)])
    assert interval is not None
    assert (interval.mean, interval.low, interval.clear) == (0.5, None, False)


def test_ties_count_half_and_two_identical_pictures_tie() -> None:
    assert win_rate([(1.0, 0.0), (0.0, 1.0), (2.0, 2.0), (math.inf, math.inf)]) == 0.5
    assert difference([(math.inf, math.inf), (1.0, 1.0)]) is not None
    assert win_rate([(None, 1.0)]) is None
    assert mean([None]) is None


def test_one_identical_picture_is_left_out_of_the_means_by_name(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    part = Run.open(tmp_path / "run")
    before = next(row for row in part.rows() if row.image == "chelsea" and row.codec == "jpeg2000")
    part.write_row(replace(before, psnr=math.inf, ms_ssim=1.0))
    comparison = Comparison(part)
    level = next(level for level in comparison.levels() if level.point_of["chelsea"] == before.point)
    some = summarize(comparison, level)[1]
    rest = [row.psnr or 0 for row in comparison.at(level, "jpeg2000") if row.image != "chelsea"]
    assert some.psnr == pytest.approx(sum(rest) / 3)
    assert some.left_out == {"psnr": ("chelsea",), "ms_ssim": ()}
    others = [row for row in comparison.at(level, "jpeg") if row.image != "chelsea"]
    jpeg = summarize(comparison, level)[2]
    assert jpeg.psnr == pytest.approx(sum(row.psnr or 0 for row in others) / 3), "over the same images"
    assert jpeg.bpp == pytest.approx(sum(row.bpp or 0 for row in others) / 3)
    assert some.difference_psnr is not None
    assert some.difference_psnr.count == 3
    assert some.difference_psnr.low is not None
    note = "Means of PSNR and rate leave out chelsea: a codec failed there, or its value is infinite or not defined."
    assert exclusions(comparison, [some]) == [note]
    assert note in page.render(part.path, tmp_path / "page").read_text("utf-8")
    assert note.replace(".", "") in tables.render(part, "markdown").replace("\\", "").replace(".", "")
    assert note in tables.render(part, "latex")

    rate = of_codec(comparison, comparison.columns[1], "psnr")
    assert rate.percent is not None
    assert rate.left_out == ("chelsea",)
    complete = complete_images(comparison, *comparison.columns[:2])
    assert complete == [image.name for image in comparison.images if image.name != "chelsea"]
    assert "without chelsea" in tables.render(part, "markdown")


def test_a_level_that_is_lossless_throughout_costs_no_image(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    part = Run.open(tmp_path / "run")
    for row in part.rows():
        if row.codec == "jpeg2000" and row.point.endswith("80"):
            part.write_row(replace(row, psnr=math.inf))
    comparison = Comparison(part)
    assert len(complete_images(comparison, *comparison.columns)) == 4
    assert summarize(comparison, comparison.levels()[-1])[1].psnr == math.inf


def test_levels_rank_the_rates_where_images_have_their_own_points(run: Run) -> None:
    comparison = Comparison(run)
    assert [level.label for level in comparison.levels()] == [f"webp-quality{q}" for q in (10, 30, 55, 80)]
    assert all(len(level.point_of) == 4 for level in comparison.levels())
