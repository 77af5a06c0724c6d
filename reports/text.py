"""How numbers are written for a reader, the same on the page, in the tables and in the figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from isorate.runs.equal_rate import Basis, basis
from isorate.runs.row import Row

DASH = "–"
MINUS = "\N{MINUS SIGN}"
INFINITY = "∞"
NOT_DEFINED = "n/d"
"""An MS-SSIM that does not exist: the picture is too small for five scales."""

METRICS: dict[str, tuple[str, int]] = {"bpp": ("BPP", 4), "psnr": ("PSNR", 4), "ms_ssim": ("MS-SSIM", 4)}
"""The three lines under a crop, with the digits that the supplementary prints."""

AT_RATE = "at equal rate"
INTERPOLATED = "≈ "
"""What stands before a value that was interpolated between two files."""


def number(value: float | None, digits: int, *, sign: bool = False) -> str:
    """Return `value` with `digits` decimals, a true minus sign and ∞ spelled as a sign.

    >>> number(-0.25, 2), number(None, 2), number(0.5, 1, sign=True), number(-0.001, 2)
    ('−0.25', '–', '+0.5', '0.00')
    """
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return (MINUS if value < 0 else "") + INFINITY
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def percent(value: float | None, digits: int, *, sign: bool = False) -> str:
    """Return a value that is in percent already, with its unit.

    >>> percent(0.5, 1), percent(None, 1)
    ('0.5 %', '–')
    """
    return DASH if value is None else f"{number(value, digits, sign=sign)} %"


def metric(row: Row | None, name: str) -> str:
    """Return one of :data:`METRICS` of a cell as printed under its crop."""
    if row is None:
        return DASH
    if not row.ok:
        return "failed"
    value: float | None = getattr(row, name)
    if value is None and name == "ms_ssim":
        return NOT_DEFINED
    return number(value, METRICS[name][1])


def figures(row: Row | None) -> str:
    """Return a cell's :data:`METRICS` in one line, as under a whole picture."""
    return ", ".join(metric(row, name) for name in METRICS)


def missing(row: Row | None) -> str:
    """Return why a cell has no picture."""
    if row is None:
        return "no result"
    return "no picture" if row.ok else "failed"


def ranks(row_line: list[Row | None], name: str) -> list[int]:
    """Return for each cell 1 (best), 2 (second) or 0, compared as printed, so that equal print is equal rank.

    File size is not ranked: the comparison holds it equal, and a file that came out smaller has not won anything.
    """
    if name == "bpp":
        return [0] * len(row_line)
    values = [getattr(row, name) if row is not None and row.ok else None for row in row_line]
    return rank(values, METRICS[name][1])


@dataclass(frozen=True, slots=True)
class Line:
    """A measure of one image at one operating point: each codec's value as printed, and its rank (see :func:`rank`)."""

    title: str
    values: tuple[tuple[str, int], ...]


def lines(row_line: Sequence[Row | None], tolerance_pct: float) -> list[Line]:
    """Return the lines under the crops: what was measured, and where a file misses the rate, what is had at it.

    Ranks are among values at equal rate: where such lines are there, the measured ones above them have none.
    """
    cells = list(row_line)
    apart = any(row is not None and row.equal_rate for row in cells)
    found = []
    for name, (title, _) in METRICS.items():
        places = [0] * len(cells) if apart else ranks(cells, name)
        found.append(Line(title, tuple(zip([metric(row, name) for row in cells], places, strict=True))))
    return found + (
        [at_rate(cells, name, *METRICS[name], tolerance_pct) for name in ("psnr", "ms_ssim")] if apart else []
    )


def at_rate(cells: Sequence[Row | None], name: str, title: str, digits: int, tolerance_pct: float) -> Line:
    """Return the line of a measure at equal rate; a cell that misses the rate and has no neighbour has no value."""
    values = [
        row.compared(name) if row is not None and row.ok and basis(row, tolerance_pct) is not Basis.NONE else None
        for row in cells
    ]
    texts = [
        (INTERPOLATED if row is not None and row.equal_rate.get(name) is not None else "") + number(value, digits)
        for row, value in zip(cells, values, strict=True)
    ]
    return Line(f"{title} {AT_RATE}", tuple(zip(texts, rank(values, digits), strict=True)))


def rank(values: Sequence[float | None], digits: int) -> list[int]:
    """Return for each value 1 (largest), 2 (second) or 0, rounded to `digits` decimals first.

    >>> rank([30.04, 30.01, None, 29.0], 1)
    [1, 1, 0, 2]
    """
    printed = [None if value is None else round(value, digits) for value in values]
    best = sorted({value for value in printed if value is not None}, reverse=True)[:2]
    return [0 if value is None or value not in best else best.index(value) + 1 for value in printed]


def seconds(value: float | None) -> str:
    """Return a duration with three significant digits at most.

    >>> seconds(0.01234), seconds(12.345), seconds(None)
    ('0.012', '12.3', '–')
    """
    if value is None:
        return DASH
    return f"{value:.3f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def knob(row: Row) -> str:
    """Return the knob's setting as ``quality 13`` or ``λ 0.01, Δ 1``."""
    if row.lmbda is not None and row.bin_size is not None:
        return f"λ {row.lmbda:.4g}, Δ {row.bin_size:.4g}"
    return f"{row.knob_name} {row.knob:.4g}" if row.knob is not None else DASH
