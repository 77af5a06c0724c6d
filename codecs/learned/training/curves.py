"""Curves as CSV files that only grow: a header once, then rows."""

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from isorate.files.atomic import write_bytes

CURVE, VALIDATION = "curve.csv", "validation.csv"
CURVE_FIELDS = ("step", "seconds", "loss", "bpp", "psnr", "learning_rate", "steps_per_second", "skipped")
"""``curve.csv``: means over the steps since the last row; `psnr` in dB, `learning_rate` that of the transforms."""
VALIDATION_FIELDS = ("step", "seconds", "log10_lmbda", "bpp", "psnr", "ms_ssim")
"""``validation.csv``: one row for each λ of a validation."""


def append_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[float]]) -> None:
    """Append `rows` to the CSV file at `path`, with `header` if it is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(header)
        writer.writerows(rows)


def ends_with(path: Path, step: int) -> bool:
    """Whether the last row of the CSV file at `path` is of that step; a missing or damaged file's is not."""
    if not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        steps = [row.get("step") for row in csv.DictReader(file)]
    return steps[-1:] == [str(step)]


def drop_rows_after(path: Path, step: int) -> None:
    """Take the rows of later steps, which will be taken again, and a row that a kill has cut, from the file's end."""
    if not path.is_file():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    whole = len(lines)
    while whole > 1 and not (lines[whole - 1].endswith(b"\n") and _step(lines[whole - 1]) <= step):
        whole -= 1
    if whole < len(lines):
        write_bytes(path, b"".join(lines[:whole]))


def _step(line: bytes) -> float:
    try:
        return int(line.partition(b",")[0])
    except ValueError:
        return math.inf
