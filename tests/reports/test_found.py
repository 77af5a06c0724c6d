"""The sentences that the page begins with say what the tables say."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate.reports import bdrate, found, page
from isorate.reports.results import Column, Comparison
from isorate.reports.summary import Interval, summarize
from isorate.reports.text import number
from isorate.runs.folder import Run
from isorate.runs.row import Row


def first(comparison: Comparison) -> found.Found | None:
    level = comparison.levels()[0]
    return found.found(comparison, level, summarize(comparison, level))


def test_each_codec_has_its_difference_and_its_wins(run: Run) -> None:
    comparison = Comparison(run)
    level = comparison.levels()[0]
    said = found.found(comparison, level, summarize(comparison, level))
    assert said is not None
    webp, *others = summarize(comparison, level)
    assert said.head == f"At the file sizes of WebP: {number(webp.bpp, 3)} bits per pixel on average, 4 images."
    best = max(others, key=lambda some: some.difference_psnr.mean)  # type: ignore[union-attr]
    assert said.codecs[0].startswith(best.column.label)
    for some in others:
        gap = some.difference_psnr
        assert gap is not None
        assert some.wins_psnr is not None
        sentence = next(text for text in said.codecs if text.startswith(f"{some.column.label} is "))
        assert (number(abs(gap.mean), 2) if gap.clear else number(gap.low, 2, sign=True)) in sentence
        assert f"of {gap.count}" in sentence


def test_what_the_same_quality_costs_stands_where_curves_carry_it(run: Run) -> None:
    comparison = Comparison(run)
    rates = [(column, bdrate.of_codec(comparison, column, "psnr")) for column in comparison.columns[1:]]
    said = found.same_psnr(rates, comparison.anchor)
    for column, rate in rates:
        assert rate.percent is not None
        bits = f"{column.label} {abs(rate.percent):.0f} % {'more' if rate.percent > 0 else 'fewer'} bits"
        assert f"{bits} from {rate.low:.1f} to {rate.high:.1f} dB" in said
    assert found.same_psnr([(rates[0][0], bdrate.BDRate(None, reason="why"))], comparison.anchor) == ""


def test_the_same_psnr_is_said_of_the_range_that_curves_share() -> None:
    anchor, bpg, vvc = (Column(name.lower(), name, name == "JPEG") for name in ("JPEG", "BPG", "VVC"))
    low, wide, alike = (bdrate.BDRate(-20.0, *ends) for ends in ((30, 33, 0.4), (28.5, 36.6, 1), (28.52, 36.58, 1)))
    none = bdrate.BDRate(None, reason="why")
    of_one = found.same_psnr([(bpg, low), (vvc, none)], anchor)
    assert of_one == "For the same PSNR as JPEG from 30.0 to 33.0 dB: BPG 20 % fewer bits."
    of_both = found.same_psnr([(bpg, wide), (vvc, alike)], anchor)
    assert of_both == "For the same PSNR as JPEG from 28.5 to 36.6 dB: BPG 20 % fewer bits, VVC 20 % fewer bits."
    apart = found.same_psnr([(bpg, wide), (vvc, low)], anchor)
    assert apart == (
        "For the same PSNR as JPEG: BPG 20 % fewer bits from 28.5 to 36.6 dB, VVC 20 % fewer bits from 30.0 to 33.0 dB."
    )
    assert found.same_psnr([(bpg, none)], anchor) == found.same_psnr([(bpg, low)], None) == ""


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (Interval(0.667, 0.533, 0.817, 24), "0.67 dB (0.53 to 0.82) above"),
        (Interval(-0.667, -0.817, -0.533, 24), "0.67 dB (0.53 to 0.82) below"),
        (Interval(0.1, -0.2, 0.4, 24), "not clearly apart (−0.20 to +0.40 dB) from"),
        (Interval(-1.0, None, None, 1), "1.00 dB below"),
        (Interval(0.001, None, None, 1), "level with"),
        (Interval(float("inf"), None, None, 2), "∞ dB above"),
    ],
)
def test_no_more_is_claimed_than_the_interval_allows(gap: Interval, text: str) -> None:
    assert found._gap(gap, 2, " dB") == text


def edited(run: Run, path: Path, **changes: Any) -> Run:
    """Return a copy of the run with other values in every row of JPEG."""
    shutil.copytree(run.path, path)
    copy = Run.open(path)
    for row in copy.rows():
        if row.codec == "jpeg":
            copy.write_row(replace(row, **{k: v(row) for k, v in changes.items()}))
    return copy


def test_other_file_sizes_and_failures_are_said(run: Run, tmp_path: Path) -> None:
    def size(row: Row) -> int:
        return round(row.target_bpp * 0.95 * row.width * row.height / 8)  # type: ignore[operator]

    def bpp(row: Row) -> float:
        return 8 * size(row) / (row.width * row.height)

    def residual(row: Row) -> float:
        return 100 * (bpp(row) / row.target_bpp - 1)  # type: ignore[operator]

    changed = edited(
        run, tmp_path / "smaller", num_bytes=size, bpp=bpp, residual_pct=residual, header_bytes=lambda row: None
    )
    smaller = Comparison(changed)
    text = first(smaller)
    assert text is not None
    assert "its files are 5.1 % smaller on average" in next(s for s in text.codecs if s.startswith("JPEG is"))
    failing = edited(
        run, tmp_path / "failing", status=lambda row: "failed: why" if row.image == "camera" else row.status
    )
    comparison = Comparison(failing)
    text = first(comparison)
    assert text is not None
    assert "it failed on 1 of 4 images" in next(s for s in text.codecs if s.startswith("JPEG is"))


def test_a_run_of_the_anchor_alone_has_nothing_to_say(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    Run.open(tmp_path / "run").remove_rows(row.key for row in run.rows() if row.codec != "webp")
    comparison = Comparison(Run.open(tmp_path / "run"))
    assert first(comparison) is None
    html = page.render(tmp_path / "run").read_text("utf-8")
    assert "BD-rate" not in html
