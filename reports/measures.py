"""What is measured of a cell, as a reader sees it: rate, PSNR, MS-SSIM, and the further metrics of a run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from isorate.metrics.base import Scale, quality
from isorate.reports.text import DASH, INTERPOLATED, number, rank
from isorate.runs.aim import Aim
from isorate.runs.equal_rate import counts
from isorate.runs.manifest import Manifest
from isorate.runs.row import Row

NOT_DEFINED = "n/d"
"""A metric that does not exist, such as the MS-SSIM of a picture that is too small for five scales."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of figures under a crop.

    Attributes
    ----------
    name
        ``bpp``, or a metric as :meth:`isorate.runs.row.Row.value` knows it.
    title, unit
        What a reader sees.
    digits
        Decimals that are printed, and that ranks are compared in.
    direction
        1 where larger is better, -1 where smaller is. 0 where neither is: it is what the comparison holds equal, and a
        file that came out smaller, or better, has not won anything.
    scale
        ``similarity`` where the value is shown in decibels (:func:`isorate.metrics.base.quality`).
    """

    name: str
    title: str
    digits: int
    unit: str = ""
    direction: int = 1
    scale: Scale = "as it is"

    def value(self, row: Row | None) -> float | None:
        """Return a cell's value; None where there is none."""
        if row is None or not row.ok:
            return None
        return row.bpp if self.name == "bpp" else self.scaled(row.value(self.name))

    def scaled(self, value: float | None) -> float | None:
        """Return a metric's value on the scale of this measure."""
        return value if value is None or self.scale == "as it is" else quality(value, self.scale)

    def written(self, row: Row | None) -> str:
        """Return a cell's value as it is printed."""
        if row is None:
            return DASH
        if not row.ok:
            return "failed"
        value = self.value(row)
        return NOT_DEFINED if value is None and self.name not in ("bpp", "psnr") else number(value, self.digits)

    def counts(self, row: Row | None, tolerance: float) -> float | None:
        """Return what a cell is ranked by, on this measure's scale; see :func:`isorate.runs.equal_rate.counts`."""
        return self.scaled(counts(row, self.name, tolerance))

    def ranks(self, values: Sequence[float | None]) -> list[int]:
        """Return for each value 1 (best), 2 (second) or 0, compared as printed, so that equal print is equal rank."""
        if self.direction == 0:
            return [0] * len(values)
        return rank([None if value is None else self.direction * value for value in values], self.digits)


ALWAYS = (Measure("bpp", "BPP", 4, direction=0), Measure("psnr", "PSNR", 4, "dB"), Measure("ms_ssim", "MS-SSIM", 4))
"""The three lines of every run at equal rate, with the digits that the paper's supplementary prints."""


MS_SSIM_DB = Measure("ms_ssim", "MS-SSIM, dB", 2, "dB", scale="similarity")
"""MS-SSIM as −10 log₁₀(1 − MS-SSIM)."""


def measures(manifest: Manifest, *, decibels: bool = False) -> tuple[Measure, ...]:
    """Return everything that a run measured, with MS-SSIM in decibels or as it is.

    At equal quality the smaller file is the better one.
    """
    found = (*_always(decibels), *further(manifest))
    if manifest.aim.of_size:
        return found
    return tuple(
        replace(some, direction=-1 if some.name == "bpp" else 0 if some.name == manifest.match else some.direction)
        for some in found
    )


def _always(decibels: bool) -> tuple[Measure, ...]:
    return (*ALWAYS[:2], MS_SSIM_DB if decibels else ALWAYS[2])


def further(manifest: Manifest) -> tuple[Measure, ...]:
    """Return the metrics of a run beside PSNR and MS-SSIM."""
    return tuple(
        Measure(entry.name, entry.label, entry.digits, entry.unit, 1 if entry.larger_is_better else -1)
        for entry in manifest.more_metrics
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A measure of one image at one operating point: each codec's value as printed, and its rank."""

    title: str
    values: tuple[tuple[str, int], ...]


def lines(cells: Sequence[Row | None], shown: Sequence[Measure], aim: Aim) -> list[Line]:
    """Return the lines under the crops: what was measured, and where a file misses the aim, what is had there.

    Ranks are among values at equal rate or quality: where such lines are there, the measured ones above them have none,
    and neither has a file that misses the aim without one.
    """
    apart = any(row is not None and row.equal for row in cells)
    held = "bpp" if aim.of_size else aim.name
    found = []
    for measure in shown:
        places = [0] * len(cells) if apart else measure.ranks([measure.counts(row, aim.tolerance) for row in cells])
        found.append(Line(measure.title, tuple(zip([measure.written(row) for row in cells], places, strict=True))))
    return found + ([at_aim(cells, some, aim) for some in shown if some.name != held] if apart else [])


def at_aim(cells: Sequence[Row | None], measure: Measure, aim: Aim) -> Line:
    """Return the line of a measure at equal rate or quality; a cell that misses it without a neighbour has no value."""
    values = [measure.counts(row, aim.tolerance) for row in cells]
    texts = [
        (INTERPOLATED if row is not None and row.equal.get(measure.name) is not None else "")
        + number(value, measure.digits)
        for row, value in zip(cells, values, strict=True)
    ]
    return Line(f"{measure.title} {aim.words}", tuple(zip(texts, measure.ranks(values), strict=True)))


def figures(row: Row | None, *, decibels: bool = False) -> str:
    """Return a cell's rate, PSNR and MS-SSIM in one line, as under a whole picture."""
    return ", ".join(measure.written(row) for measure in _always(decibels))
