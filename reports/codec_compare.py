"""A run as batches of codec-compare (https://github.com/webmproject/codec-compare): a JSON file for each codec.

Its reader takes every value for a number where the first one is: rows in which one is missing or infinite stay out.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from isorate.errors import ReportError
from isorate.files.atomic import write_json
from isorate.reports.measures import Measure, measures
from isorate.reports.results import Column, Comparison
from isorate.runs.paths import safe_name
from isorate.runs.row import Row

LIST = "batches.json"
"""The file that names the batches, which codec-compare is given."""
NAMES = {"ms_ssim": "msssim"}
"""What codec-compare calls a metric, where that is another name."""
IN_DECIBELS = frozenset({"ms_ssim", "ssim"})
"""What codec-compare, which prints dB behind every metric, is given as −10 log10(1 − x)."""
SECONDS = "seconds, while the run's other cells worked at the same time"
WHERE_ALL_HAVE_IT = {
    "knob": ("knob", "the codec's rate knob"),
    "encoding_time": ("encode_s", SECONDS),
    "decoding_time": ("decode_s", SECONDS),
}
"""By its names, what of a row may be missing and is no metric, and what is said of it."""


def write(comparison: Comparison, out: Path) -> dict[str, int]:
    """Write a batch for each codec, and the list of them.

    Parameters
    ----------
    comparison
        The run.
    out
        Folder of ``batches.json`` and a ``CODEC.json`` for each codec that has rows.

    Returns
    -------
    dict
        By codec, how many of its rows stayed out: failed ones, and those that lack a value or have an infinite one.

    Raises
    ------
    ReportError
        When no row can be written.
    """
    left_out, files = {}, []
    for column in comparison.columns:
        rows = [row for row in comparison.rows if row.codec == column.codec]
        data = batch(comparison, column, [row for row in rows if row.ok])
        left_out[column.codec] = len(rows) - len(data["field_values"])
        if data["field_values"]:
            files.append([f"{safe_name(column.codec)}.json"])
            write_json(out / files[-1][0], data)
    if not files:
        raise ReportError(f"{comparison.run.path}: every row failed or lacks a value; there is nothing to compare")
    write_json(out / LIST, files)
    return left_out


def batch(comparison: Comparison, column: Column, rows: Sequence[Row]) -> dict[str, Any]:
    """Return a codec's rows, which succeeded, as codec-compare reads them."""
    shown = _measures(comparison)
    there = {
        name: (key, description)
        for name, (key, description) in WHERE_ALL_HAVE_IT.items()
        if all(getattr(row, key) is not None for row in rows)
    }
    fields = {
        "original_name": "image",
        "width": "pixels",
        "height": "pixels",
        "point": "operating point of the run's anchor",
        "encoded_size": "bytes of the whole file",
        **{NAMES.get(measure.name, measure.name): measure.title for measure in shown},
        **{name: description for name, (_, description) in there.items()},
    }
    table = []
    for row in rows:
        values = [measure.value(row) for measure in shown]
        if all(_finite(value) for value in values):
            head = [row.image, row.width, row.height, row.point, row.num_bytes]
            table.append([*head, *values, *(getattr(row, key) for key, _ in there.values())])
    constants = {
        "name": ("the codec as the run calls it", column.label),
        "codec": ("the codec's name in isorate, with its options", column.codec),
        "version": ("back ends", ", ".join(sorted({row.backend for row in rows}))),
        "options": ("the codec's options", "; ".join(sorted({_options(row) for row in rows}))),
        "time": ("when the run was begun", comparison.manifest.created),
        "source_data_set": ("images", comparison.dataset),
    }
    return {
        "constant_descriptions": [{name: description} for name, (description, _) in constants.items()],
        "constant_values": [value for _, value in constants.values()],
        "field_descriptions": [{name: description} for name, description in fields.items()],
        "field_values": table,
    }


def _measures(comparison: Comparison) -> list[Measure]:
    """Return what the run measured beside the rate, so that every batch has the same."""
    found = [
        replace(measure, title=f"{measure.title}, -10 log10(1 - x) in dB", scale="similarity")
        if measure.name in IN_DECIBELS
        else measure
        for measure in measures(comparison.manifest)
        if measure.name != "bpp"
    ]
    return [measure for measure in found if any(_finite(measure.value(row)) for row in comparison.rows)]


def _options(row: Row) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.options.items())


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
