"""Means that stand beside each other are over the same images, and say so where these are not all."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.reports import curves, figures, latex, page, tables
from isorate.reports.bdrate import of_codec
from isorate.reports.common_images import Standing, common, shared
from isorate.reports.results import Comparison, Level
from isorate.reports.summary import exclusions, summarize
from isorate.runs.folder import Run

TOO_SMALL = "rocket"
"""For MS-SSIM."""


@pytest.fixture
def failing(run: Run, tmp_path: Path) -> Comparison:
    """A codec that fails on one image at one point."""
    shutil.copytree(run.path, tmp_path / "run")
    made = Run.open(tmp_path / "run")
    row = next(row for row in made.rows() if row.key[0] == "chelsea" and row.codec == "jpeg2000")
    made.write_row(replace(row, status="failed: no", bpp=None, psnr=None, ms_ssim=None, stream="", decoded=""))
    return Comparison(made)


def mean_of(comparison: Comparison, level: Level, codec: str, value: str, without: tuple[str, ...]) -> float:
    rows = [row for row in comparison.at(level, codec) if row.image not in without]
    values: list[float] = [getattr(row, value) for row in rows]
    return sum(values) / len(values)


def test_all_curves_are_over_the_images_that_every_codec_has(failing: Comparison, tmp_path: Path) -> None:
    for column, curve in zip(failing.columns, curves.of_run(failing), strict=True):
        found = [(point.bpp, point.psnr) for point in curve.points if point.psnr is not None]
        expected = sorted(
            tuple(mean_of(failing, level, column.codec, value, ("chelsea",)) for value in ("bpp", "psnr"))
            for level in failing.levels()
        )
        assert found == [pytest.approx(point) for point in expected]
    note = "means over 3 of 4 images: those on which every codec has a value"
    assert note in [text.get_text() for axes in figures.plot(failing, "psnr").axes for text in axes.texts]
    html = page.render(failing.run, tmp_path / "page").read_text("utf-8")
    assert f"PSNR: {note}." in html
    data = json.loads(re.findall(r'<script id="data" type="application/json">(.*?)</script>', html, re.DOTALL)[0])
    drawn = [[point[:2] for point in curve["points"] if point[1] is not None] for curve in data["dataset"]]
    assert [len(points) for points in drawn] == [4, 4, 4]
    assert note in json.loads(tables.render(failing.run, "compressai"))[0]["description"]


def test_a_codec_that_fails_throughout_a_level_leaves_no_image_out(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    made = Run.open(tmp_path / "run")
    level = Comparison(run).levels()[0]
    for row in Comparison(run).at(level, "jpeg"):
        made.write_row(replace(row, status="failed: no", bpp=None, psnr=None, ms_ssim=None, stream="", decoded=""))
    comparison = Comparison(made)
    webp, _, jpeg = curves.of_run(comparison)
    assert {point.point for point in jpeg.points} == {"webp-quality30", "webp-quality55", "webp-quality80"}
    assert webp == curves.of_run(Comparison(run))[0]
    some = summarize(comparison, level)
    assert (some[-1].psnr, some[-1].left_out["psnr"]) == (None, ())
    assert some[0].psnr == summarize(Comparison(run), level)[0].psnr


def test_an_ms_ssim_stands_at_the_rate_of_its_own_images(run: Run) -> None:
    comparison = Comparison(run)
    part = comparison.among({image.name for image in comparison.images} - {TOO_SMALL})
    for column, curve in zip(comparison.columns, curves.of_run(comparison), strict=True):
        for metric, without in (("psnr", ()), ("ms_ssim", (TOO_SMALL,))):
            found = [(point.bpp, getattr(point, metric)) for point in curve.points if getattr(point, metric)]
            expected = sorted(
                tuple(mean_of(comparison, level, column.codec, value, without) for value in ("bpp", metric))
                for level in comparison.levels()
            )
            assert found == [pytest.approx(point) for point in expected]
        if not column.anchor:
            rate = of_codec(comparison, column, "ms_ssim")
            assert rate.percent == of_codec(part, column, "ms_ssim").percent is not None
            assert rate.left_out == (TOO_SMALL,)
            assert of_codec(comparison, column, "psnr").left_out == ()
    for curve in json.loads(tables.render(run, "compressai")):
        assert len(curve["results"]["bpp"]) == 4
        assert "ms-ssim-rgb" not in curve["results"], "one rate for both would be wrong"


def test_the_means_of_a_table_are_over_the_same_images(failing: Comparison) -> None:
    level = next(level for level in failing.levels() if any(not row.ok for row in failing.at(level, "jpeg2000")))
    summaries = summarize(failing, level)
    for some in summaries:
        assert some.psnr == pytest.approx(mean_of(failing, level, some.column.codec, "psnr", ("chelsea",)))
        assert some.bpp == pytest.approx(mean_of(failing, level, some.column.codec, "bpp", ("chelsea",)))
        ms_ssim = mean_of(failing, level, some.column.codec, "ms_ssim", ("chelsea", TOO_SMALL))
        assert some.ms_ssim == pytest.approx(ms_ssim)
    (note,) = exclusions(failing, summaries)
    assert note == "Means leave out chelsea: a codec failed there, or its value is infinite or not defined."
    said = latex.render(failing)
    assert note in said
    means = [line for line in said.splitlines() if line.startswith("mean")]
    assert f"{mean_of(failing, level, 'webp', 'psnr', ('chelsea',)):.4f}" in means[failing.levels().index(level)]


NAMES = st.frozensets(st.sampled_from("abcdef"))


@given(st.lists(st.tuples(NAMES, st.lists(NAMES, min_size=1, max_size=3)), max_size=4))
def test_every_codec_has_a_value_on_the_common_images(
    codecs: list[tuple[frozenset[str], list[frozenset[str]]]],
) -> None:
    standings = [Standing(there, tuple(there & infinite for infinite in levels)) for there, levels in codecs]
    for images, some in (
        (common(standings), standings),
        (shared(standings), [one for one in standings if common([one])]),
    ):
        for one in some:
            assert images <= one.there
            finite = [infinite & images for infinite in one.infinite if infinite & images != images]
            assert not any(finite) or any(infinite >= images for infinite in one.infinite)


def test_a_value_that_is_infinite_on_all_images_leaves_none_out() -> None:
    whole = frozenset("ab")
    assert common([Standing(whole, (whole, frozenset()))]) == whole
    assert common([Standing(whole, (frozenset("a"), frozenset()))]) == frozenset("b")
    assert common([]) == frozenset()
