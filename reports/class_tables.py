"""Results by class as Markdown, CSV and JSON."""

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from isorate.errors import ReportError
from isorate.reports.asked_options import asked_options
from isorate.reports.bdrate import BDRate
from isorate.reports.cells import csv_value, gap_text, markdown_escape, markdown_line
from isorate.reports.classes import NO_CLASSES, ClassResults, by_class
from isorate.reports.results import Column, Comparison
from isorate.reports.summary import Interval
from isorate.reports.text import number
from isorate.runs.folder import Run

FORMATS = ("markdown", "csv", "json")
"""What :func:`render` writes."""


def render(run: Comparison | Run | Path | str, fmt: str) -> str:
    """Return a run's results by class of image in one format.

    Parameters
    ----------
    run
        The run, its folder, or its rows that are read already.
    fmt
        One of :data:`FORMATS`. ``csv`` and ``json`` have a line or an object for each class, operating point and
        codec; ``markdown`` is for readers.

    Raises
    ------
    ReportError
        When the run holds no rows, its data set does not name two classes, or the format is another.
    """
    if fmt not in FORMATS:
        raise ReportError(f"no results by class as {fmt!r}; use one of {', '.join(FORMATS)}")
    comparison = run if isinstance(run, Comparison) else Comparison(run)
    found = list(by_class(comparison))
    if not found:
        raise ReportError(f"{comparison.run.path}: {NO_CLASSES}")
    if fmt == "markdown":
        notes = [markdown_escape(note) for note in asked_options(comparison)]
        return "\n".join([*markdown(comparison, found), *notes, ""])
    lines = [line for some in found for line in _lines(some)]
    if fmt == "json":
        return json.dumps(lines, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(lines[0])
    writer.writerows([csv_value(value) for value in line.values()] for line in lines)
    return out.getvalue()


def _lines(some: ClassResults) -> Iterator[dict[str, Any]]:
    """Yield a flat line for each operating point and codec; the BD-rate is over all points, the same in each."""
    for level, summaries in some.levels:
        for summary in summaries:
            column = summary.column
            means = {"psnr": summary.psnr, "ms_ssim": summary.ms_ssim}
            means |= {name: further.mean for name, further in summary.metrics.items()}
            gaps = {"rate_pct": summary.difference_rate}
            gaps |= {"psnr": summary.difference_psnr, "ms_ssim": summary.difference_ms_ssim}
            gaps |= {name: further.difference for name, further in summary.metrics.items()}
            rates = {name: some.rate(column, name) for name in means}
            yield {
                "class": some.name, "images": some.images, "point": level.label, "codec": column.codec,
                "label": column.label, "failed": summary.failed, "bpp": _plain(summary.bpp),
                **{name: _plain(value) for name, value in means.items()},
                **{f"difference_{name}{end}": value for name, gap in gaps.items() for end, value in _ends(gap)},
                **{f"bd_rate_{name}": _plain(rate.percent if rate else None) for name, rate in rates.items()},
                **{f"bd_rate_{name}_reason": rate.reason if rate else "" for name, rate in rates.items()},
            }  # fmt: skip


def _ends(gap: Interval | None) -> Iterator[tuple[str, float | str | None]]:
    yield "", _plain(gap.mean if gap else None)
    yield "_low", _plain(gap.low if gap else None)
    yield "_high", _plain(gap.high if gap else None)


def _plain(value: float | None) -> float | str | None:
    """Return a number, an infinite one as text, as in rows."""
    return value if value is None or math.isfinite(value) else str(value)


def markdown(comparison: Comparison, found: list[ClassResults]) -> list[str]:
    """Return the lines of a section for each level, and of one with the BD-rates."""
    of_size = comparison.aim.of_size
    metrics = [("psnr", "PSNR"), ("ms_ssim", "MS-SSIM")]
    metrics += [(entry.name, markdown_escape(entry.label)) for entry in comparison.manifest.more_metrics]
    head = ["class", "images", "codec", "bpp", "ΔPSNR (95 %)", "ΔMS-SSIM (95 %)"]
    if not of_size:
        head.insert(4, "Δbytes % (95 %)")
    parts: list[str] = []
    for index, (level, _) in enumerate(found[0].levels):
        parts += [f"## By class: {markdown_escape(level.label)}", "", markdown_line(head), _rule(len(head))]
        for some in found:
            for summary in some.levels[index][1]:
                cells = [*_name(some, summary.column), number(summary.bpp, 4)]
                gaps = [] if of_size else [gap_text(summary.difference_rate, 1)]
                gaps += [gap_text(summary.difference_psnr, 2), gap_text(summary.difference_ms_ssim, 4)]
                parts.append(markdown_line([*cells, *gaps]))
        parts.append("")
    head = ["class", "images", "codec", *(f"BD-rate ({label})" for _, label in metrics)]
    parts += ["## BD-rate by class", "", markdown_line(head), _rule(len(head))]
    for some in found:
        for column, rates in some.rates.items():
            parts.append(markdown_line([*_name(some, column), *(_rate(rates[name]) for name, _ in metrics)]))
    return [*parts, ""]


def _name(some: ClassResults, column: Column) -> list[str]:
    return [markdown_escape(some.name), str(some.images), markdown_escape(column.label)]


def _rule(count: int) -> str:
    return markdown_line([":--", "--:", ":--", *["--:"] * (count - 3)])


def _rate(rate: BDRate) -> str:
    return (
        f"none: {markdown_escape(rate.reason)}" if rate.percent is None else f"{number(rate.percent, 1, sign=True)} %"
    )
