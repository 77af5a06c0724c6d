"""What a codec whose file misses the rate has at that rate: between its two files around it, in log rate.

A whole-number knob leaves a rate between two of its values. Both files are real and measured; the value at the rate
lies on the straight line between them, of quality over the logarithm of the rate, on the scales of the curves
(ITU-T VCEG-M33, 2001; MS-SSIM in dB). Nothing is extrapolated: without a file on the other side there is no value.
"""

import math
from enum import StrEnum

from isorate.metrics.base import Scale, on_line
from isorate.metrics.registry import metric as metric_named
from isorate.runs.contradictions import SCALES
from isorate.runs.row import MATCHED, Neighbour, Row

UNREACHABLE = "unreachable"
"""How a row's note begins where every file of the codec is larger, or every one smaller."""
NO_VALUE = "no value at equal rate"
"""How a part of a row's note begins that says why there is none."""


class Basis(StrEnum):
    """What a row stands on where codecs are compared at equal rate, or at equal quality."""

    MEASURED = "measured"
    """The file meets the rate or quality, or is the anchor's, which sets it."""
    INTERPOLATED = "interpolated"
    """The file misses it, and the value lies between it and its neighbour."""
    NONE = "none"
    """The file misses it, and there is no neighbour."""


def basis(row: Row, tolerance: float) -> Basis:
    """Return what a row's values stand on; `tolerance` is the run's (:attr:`isorate.runs.manifest.Manifest.aim`)."""
    if row.equal:
        return Basis.INTERPOLATED
    return Basis.NONE if misses(row, tolerance) else Basis.MEASURED


def counts(row: Row | None, metric: str, tolerance: float) -> float | None:
    """Return what a cell is ranked by where codecs are compared: the value at equal rate or quality, or the measured.

    Parameters
    ----------
    row
        The cell; None where the run has none.
    metric
        ``bpp``, ``psnr``, ``ms_ssim`` or one of the further metrics.
    tolerance
        See :func:`basis`.

    Returns
    -------
    The value, or None for a cell that is not there, failed, or stands on :attr:`Basis.NONE`.
    """
    if row is None or not row.ok or basis(row, tolerance) is Basis.NONE:
        return None
    return row.compared(metric)


def misses(row: Row, tolerance: float) -> bool:
    """Whether a file that was driven to a rate or quality misses it by more than the tolerance."""
    return row.ok and row.role == MATCHED and abs(row.residual) > tolerance


def lacks_neighbour(row: Row, tolerance: float) -> bool:
    """Whether a row of an older version has no neighbour although the search met files on both sides of the rate."""
    if not misses(row, tolerance) or row.neighbour is not None or NO_VALUE in row.note or row.target_bpp is None:
        return False
    target = _target(row)
    sizes = [probe[-1] for probe in row.trace]
    return any(size < target for size in sizes) and any(size > target for size in sizes)


def at_target(row: Row, neighbour: Neighbour) -> dict[str, float | None]:
    """Return a row's metrics at its target rate, by name; None where one is not defined or infinite in either file."""
    scales = SCALES | {name: metric_named(name).scale for name in row.metrics}
    return {name: between(row, neighbour, name, _target(row), scale) for name, scale in scales.items()}


def between(row: Row, neighbour: Neighbour, metric: str, num_bytes: float, scale: Scale) -> float | None:
    """Return a metric at a size between a row's file and its neighbour's, linear in log size on the metric's scale.

    Parameters
    ----------
    row, neighbour
        The two files of one codec and image.
    metric
        ``psnr``, ``ms_ssim`` or one of the further metrics.
    num_bytes
        The size; a real number above 0.
    scale
        The metric's, see :func:`isorate.metrics.base.quality`.

    Returns
    -------
    The value, or None where the size is not between the two, or one of them has no finite value on this scale.
    """
    share = log_share(row, neighbour, num_bytes)
    return None if share is None else on_line(row.value(metric), neighbour.value(metric), share, scale)


def encloses(row: Row, num_bytes: float) -> bool:
    """Whether a size lies between a row's file and its neighbour's; never without a neighbour."""
    return row.neighbour is not None and log_share(row, row.neighbour, num_bytes) is not None


def at_size(row: Row, metric: str, num_bytes: float, scale: Scale) -> float | None:
    """Return a metric at a size that :func:`encloses`; see :func:`between`."""
    return None if row.neighbour is None else between(row, row.neighbour, metric, num_bytes, scale)


def log_share(row: Row, neighbour: Neighbour, num_bytes: float) -> float | None:
    """Return how far a size is from a row's file (0) to its neighbour's (1) in log size, or None outside of both."""
    if not row.num_bytes or row.num_bytes == neighbour.num_bytes or num_bytes <= 0:
        return None
    share = math.log(num_bytes / row.num_bytes) / math.log(neighbour.num_bytes / row.num_bytes)
    return share if 0 <= share <= 1 else None


def _target(row: Row) -> float:
    """Return the size in bytes that was asked for."""
    assert row.target_bpp is not None
    return row.target_bpp * row.width * row.height / 8
