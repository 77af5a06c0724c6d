"""How the images differ: the distribution over all of them of what each codec has before the anchor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isorate.reports.results import Column, Comparison, Level
from isorate.reports.summary import compared, differences, pairs, similarity_db, sizes, to_percent
from isorate.runs.row import Row

MANY = 100
"""Images from which on a distribution says more than they do one by one: a page of more shows it."""
SHARES = (0, 5, 25, 50, 75, 95, 100)
"""Percent of the images: the quantiles of the table. The plot has every whole percent."""


@dataclass(frozen=True, slots=True)
class Line:
    """One codec: over how many images, and the 101 quantiles of its differences, at 0, 1, … 100 % of the images."""

    column: Column
    count: int
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """A measure's differences to the anchor, of every codec that has any; infinite ones are left out.

    Attributes
    ----------
    key
        ``psnr``, ``ms_ssim``, ``ms_ssim_db``, ``bytes``, or a further metric's name.
    title, unit, digits
        What a reader sees.
    lines
        The codecs.
    """

    key: str
    title: str
    unit: str
    digits: int
    lines: tuple[Line, ...]


def spreads(comparison: Comparison, level: Level) -> list[Spread]:
    """Return the distributions of a level over all its images: of quality, at equal quality of the bytes first.

    Values are those that count at equal rate or quality (``isorate.runs.equal_rate.counts``).
    """
    aim = comparison.aim
    found = [] if aim.of_size else [_spread(comparison, level, "bytes", "Bytes", "%", 1)]
    always = [("psnr", "PSNR", "dB", 2), ("ms_ssim", "MS-SSIM", "", 4), ("ms_ssim_db", "MS-SSIM", "dB", 2)]
    more = [(entry.name, entry.label, entry.unit, entry.digits) for entry in comparison.manifest.more_metrics]
    found += [
        _spread(comparison, level, *about) for about in (*always, *more) if about[0].removesuffix("_db") != aim.name
    ]
    return [spread for spread in found if spread.lines]


def _spread(comparison: Comparison, level: Level, key: str, title: str, unit: str, digits: int) -> Spread:
    lines = []
    for column in (column for column in comparison.columns if not column.anchor):
        rows = [row for row in comparison.at(level, column.codec) if row.ok]
        values = _gaps(pairs(comparison, rows), key, comparison.aim.tolerance)
        finite = np.asarray([value for value in values if math.isfinite(value)])
        if len(finite):
            quantiles = np.quantile(finite, np.linspace(0, 1, 101))
            lines.append(Line(column, len(finite), tuple(float(value) for value in quantiles)))
    return Spread(key, title, unit, digits, tuple(lines))


def _gaps(both: Sequence[tuple[Row, Row]], key: str, tolerance: float) -> list[float]:
    if key == "bytes":
        return [to_percent(gap) for gap in differences(sizes(both, tolerance))]
    if key == "ms_ssim_db":
        values = compared(both, "ms_ssim", tolerance)
        return differences([(similarity_db(ours), similarity_db(theirs)) for ours, theirs in values])
    return differences(compared(both, key, tolerance))
