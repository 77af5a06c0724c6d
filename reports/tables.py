"""The rows as CSV, Markdown, LaTeX and JSON."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args

from isorate.errors import ReportError
from isorate.reports import bdrate, class_tables, curves, latex
from isorate.reports.asked_options import asked_options
from isorate.reports.cells import csv_value, gap_text, markdown_escape, markdown_line
from isorate.reports.classes import by_class
from isorate.reports.fairness import check
from isorate.reports.measures import lines, measures
from isorate.reports.results import Comparison
from isorate.reports.summary import AVERAGING, CodecSummary, at_equal, exclusions, some_names, summarize
from isorate.reports.text import DASH, INTERPOLATED, number, seconds
from isorate.runs.aim import Aim
from isorate.runs.equal_rate import basis, counts
from isorate.runs.folder import Run
from isorate.runs.row import Row

Format = Literal["csv", "markdown", "latex", "json", "compressai"]

STABLE = (
    "image", "codec", "backend", "knob", "lmbda", "bin_size", "target_bpp", "bpp", "residual_pct", "psnr", "ms_ssim",
    "encode_s", "decode_s", "probes", "status", "stream", "decoded",
)  # fmt: skip
"""The first columns of the CSV, on which scripts rely; the row's other fields follow."""

_NESTED = ("metrics", "neighbour", "equal_rate", "quality")
COLUMNS = STABLE + tuple(f.name for f in fields(Row) if f.name not in (*STABLE, *_NESTED))
"""The columns of every run; those of :func:`columns` and :func:`at_aim` follow."""


def render(
    run: Comparison | Run | Path | str, fmt: Format, *, residual: bool = False, document: bool = True, columns: int = 2
) -> str:
    """Return a run's results in one format.

    Parameters
    ----------
    run
        The run, its folder, or its rows that are read already.
    fmt
        ``csv`` and ``json`` hold every row as it is; ``markdown`` and ``latex`` are for readers; ``compressai`` is a
        list with one object a codec, in the layout of CompressAI's result files.
    residual
        Whether the LaTeX tables have the rate residual.
    document
        Whether the LaTeX is a whole document or tables to input.
    columns
        How many columns of a page a LaTeX table may take, 1 or 2.

    Raises
    ------
    ReportError
        When the run holds no rows, or the format is unknown.
    """
    return "".join(parts(run, fmt, residual=residual, document=document, columns=columns))


def parts(
    run: Comparison | Run | Path | str, fmt: Format, *, residual: bool = False, document: bool = True, columns: int = 2
) -> Iterator[str]:
    """Yield what :func:`render` returns in pieces: of many rows the whole takes much memory.

    Yields
    ------
    Text: of ``csv`` and ``json`` a row's, of the other formats the whole.
    """
    if fmt not in get_args(Format):
        raise ReportError(f"unknown table format {fmt!r}; use one of {', '.join(get_args(Format))}")
    comparison = run if isinstance(run, Comparison) else Comparison(run)
    if fmt == "csv":
        yield from _csv(comparison.rows, comparison.aim)
    elif fmt == "json":
        yield from _json(comparison.rows)
    elif fmt == "markdown":
        yield _markdown(comparison)
    elif fmt == "latex":
        yield latex.render(comparison, residual=residual, document=document, columns=columns)
    else:
        yield _written(_compressai(comparison)) + "\n"


def columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the names of the metrics beside PSNR and MS-SSIM that these rows have, each a column."""
    return tuple(dict.fromkeys(name for row in rows for name in row.metrics))


def at_aim(row: Row, more: Sequence[str], aim: Aim) -> dict[str, str | float | None]:
    """Return what a row has at equal rate, and the next file that it comes from, by the names of their columns.

    ``equal_rate`` says what the values stand on: ``measured``, ``interpolated``, or ``none`` where the file misses the
    rate and there are none; it is empty for a failed cell. In a run at equal quality the columns are called
    ``equal_quality``, and ``match``, ``target_quality`` and ``residual_quality`` stand before them.
    """
    beside = row.neighbour
    names = ("psnr", "ms_ssim", *more)
    asked = row.quality
    head: dict[str, str | float | None] = {}
    if not aim.of_size:
        head = {
            "match": aim.name,
            "target_quality": asked.target if asked else None,
            "residual_quality": row.residual if asked else None,
        }
    equal, compared = ("equal_rate", names) if aim.of_size else ("equal_quality", ("bpp", *names))
    return {
        **head,
        equal: str(basis(row, aim.tolerance)) if row.ok else None,
        **{f"{equal}_{name}": counts(row, name, aim.tolerance) for name in compared},
        "neighbour_knob": beside.knob if beside else None,
        "neighbour_bytes": beside.num_bytes if beside else None,
        **{f"neighbour_{name}": beside.value(name) if beside else None for name in names},
        "neighbour_stream": beside.stream if beside else None,
    }


def _csv(rows: list[Row], aim: Aim) -> Iterator[str]:
    more = columns(rows)
    yield _line([*COLUMNS, *more, *at_aim(rows[0], more, aim)])
    for row in rows:
        values = [*(getattr(row, name) for name in COLUMNS), *(row.metrics.get(name) for name in more)]
        yield _line(map(csv_value, [*values, *at_aim(row, more, aim).values()]))


def _line(values: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()


def _json(rows: list[Row]) -> Iterator[str]:
    # json.dumps of the list, a row at a time
    before = "[\n"
    for row in rows:
        yield before + _written([row.to_json()]).removeprefix("[\n").removesuffix("\n]")
        before = ",\n"
    yield "\n]\n"


def _written(data: list[dict[str, Any]]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def _compressai(comparison: Comparison) -> list[dict[str, Any]]:
    backends = {row.codec: row.backend for row in comparison.rows}
    images = curves.shared_images(comparison)
    some = f", {over}" if (over := curves.over(comparison, images["psnr"])) else ""
    return [
        curves.to_compressai(
            curves.of_dataset(comparison, column, images),
            f"{column.label}, {backends[column.codec]}, {comparison.dataset}{some}",
        )
        for column in comparison.columns
    ]


def _markdown(comparison: Comparison) -> str:
    parts = [f"# {markdown_escape(comparison.title)}", ""]
    for level in comparison.levels():
        summaries = summarize(comparison, level)
        notes = [markdown_escape(note) for note in [*exclusions(comparison, summaries), *asked_options(comparison)]]
        parts += [f"## Means: {markdown_escape(level.label)}", "", *_means(summaries, comparison), "", AVERAGING]
        parts += [*([at_equal(comparison.aim)] if any(some.interpolated for some in summaries) else []), *notes, ""]
    rates = _rates(comparison)
    if rates:
        parts += ["## BD-rate against the anchor", "", *rates, ""]
    if classes := list(by_class(comparison)):
        parts += class_tables.markdown(comparison, classes)
    if findings := check(comparison):
        parts += [
            "## Fairness",
            "",
            *(f"- **{markdown_escape(f.title)}**: {markdown_escape(f.text)}" for f in findings),
            "",
        ]
    parts += ["## Images", ""]
    for image, point in comparison.figures():
        parts += [
            f"### {markdown_escape(image.name)} ({markdown_escape(point)})",
            "",
            *_image(comparison, image.name, point),
            "",
        ]
    return "\n".join(parts)


def _means(summaries: Sequence[CodecSummary], comparison: Comparison) -> list[str]:
    metrics = comparison.manifest.more_metrics
    measures = [("psnr", "PSNR dB", 2), ("ms_ssim", "MS-SSIM", 4)]
    measures += [(entry.name, markdown_escape(entry.title), entry.digits) for entry in metrics]
    apart = any(some.interpolated for some in summaries)
    aim = comparison.aim
    if not aim.of_size:
        measures_apart = [("bpp", "bpp", 4), *(some for some in measures if some[0] != aim.name)]
    else:
        measures_apart = measures
    head = [
        "codec",
        "bpp",
        f"residual {aim.unit}".rstrip(),
        *(title for _, title, _ in measures),
        *(f"{title} {aim.words}" for _, title, _ in measures_apart if apart),
        "ΔPSNR (95 %)" if aim.of_size else "Δbytes % (95 %)",
        "wins",
        "encode s in the pool",
        "decode s in the pool",
        "failed",
    ]
    found = [markdown_line(head), markdown_line([":--", *["--:"] * (len(head) - 1)])]
    for some in summaries:
        gap, digits = (some.difference_psnr, 2) if aim.of_size else (some.difference_rate, 1)
        wins = some.wins_psnr if aim.of_size else some.wins_rate
        means = {
            "psnr": some.psnr,
            "ms_ssim": some.ms_ssim,
            **{name: further.mean for name, further in some.metrics.items()},
        }
        mark = INTERPOLATED if some.interpolated else ""
        found.append(markdown_line([
            markdown_escape(some.column.label), number(some.bpp, 4), number(some.residual, aim.digits),
            *(number(means.get(name), digits) for name, _, digits in measures),
            *(mark + number(some.at_aim[name], digits) for name, _, digits in measures_apart if apart),
            gap_text(gap, digits), DASH if wins is None else f"{wins:.0%}",
            seconds(some.encode_s), seconds(some.decode_s), str(some.failed),
        ]))  # fmt: skip
    return found


def _rates(comparison: Comparison) -> list[str]:
    found = []
    labels = comparison.manifest.metric_labels
    for column in comparison.columns:
        if not column.anchor:
            cells = [_rate(bdrate.of_codec(comparison, column, name)) for name in labels]
            found.append(markdown_line([markdown_escape(column.label), *cells]))
    head = [
        markdown_line(["codec", *(f"BD-rate ({markdown_escape(label)})" for label in labels.values())]),
        markdown_line([":--", *["--:"] * len(labels)]),
    ]
    return [*head, *found] if found else []


def _rate(rate: bdrate.BDRate) -> str:
    if rate.percent is None:
        return f"none: {markdown_escape(rate.reason)}"
    over = f"{number(rate.low, 1)}–{number(rate.high, 1)}{rate.unit}, overlap {rate.overlap:.0%}"
    without = f", without {markdown_escape(some_names(rate.left_out))}" if rate.left_out else ""
    return f"{number(rate.percent, 1, sign=True)} % ({over}{without})"


def _image(comparison: Comparison, image: str, point: str) -> list[str]:
    cells = comparison.row_line(image, point)
    found = [
        markdown_line(["", *(markdown_escape(column.label) for column in comparison.columns)]),
        markdown_line([":--", *["--:"] * len(cells)]),
    ]
    for line in lines(cells, measures(comparison.manifest), comparison.aim):
        values = (f"**{value}**" if place == 1 else value for value, place in line.values)
        found.append(markdown_line([markdown_escape(line.title), *values]))
    return found
