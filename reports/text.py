"""How numbers are written for a reader, the same on the page, in the tables and in the figures."""

import math
from collections.abc import Sequence

from isorate.runs.aim import Aim
from isorate.runs.row import Row

DASH = "–"
MINUS = "\N{MINUS SIGN}"
INFINITY = "∞"

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


def residual(value: float | None, aim: Aim, *, sign: bool = False) -> str:
    """Return how far something is from what was asked for, with its unit.

    >>> residual(0.5, Aim.size(0.5), sign=True), residual(-0.0123, Aim("psnr", "PSNR", 0.02, "dB"))
    ('+0.50 %', '−0.012 dB')
    """
    return DASH if value is None else f"{number(value, aim.digits, sign=sign)} {aim.unit}".rstrip()


def missing(row: Row | None) -> str:
    """Return why a cell has no picture."""
    if row is None:
        return "no result"
    return "no picture" if row.ok else "failed"


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
