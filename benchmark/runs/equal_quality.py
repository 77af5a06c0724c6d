"""What a codec whose file misses the quality needs for it: between its two files around it, in log bytes.

The other way round than :mod:`isorate.runs.equal_rate`: a whole-number knob leaves a quality between two of its values,
and the size at it lies on the straight line between both files, of log size over the metric's curve scale. The other
metrics follow along the same line. Nothing is extrapolated: without a file on the other side there is no value.
"""

import math
from collections.abc import Mapping

from isorate.metrics.base import Scale, on_line, quality
from isorate.runs.row import Neighbour, Row

NO_SIZE = "no size at equal quality"
"""How a part of a row's note begins that says why there is none."""


def at_quality(
    row: Row, neighbour: Neighbour, metric: str, target: float, scales: Mapping[str, Scale]
) -> dict[str, float | None]:
    """Return a row's rate as ``bpp`` and its metrics, by name, where one metric is at a target.

    Parameters
    ----------
    row, neighbour
        Two files of one codec and image, one at most as good as the target and one at least.
    metric, target
        The metric that is held equal, and its value.
    scales
        Every metric's scale by name, see :func:`isorate.metrics.base.quality`.

    Returns
    -------
    The values; None for a metric that one of the files has no finite value of. Empty where the two do not enclose the
    target, or one of them has no error at all.
    """
    share = _share(row.value(metric), neighbour.value(metric), target, scales[metric])
    if share is None or not row.num_bytes:
        return {}
    log_bytes = (1 - share) * math.log(row.num_bytes) + share * math.log(neighbour.num_bytes)
    found: dict[str, float | None] = {"bpp": 8 * math.exp(log_bytes) / (row.width * row.height)}
    for name, scale in scales.items():
        found[name] = on_line(row.value(name), neighbour.value(name), share, scale)
    return found


def _share(here: float | None, there: float | None, target: float, scale: Scale) -> float | None:
    """Return how far the target is from one value (0) to another (1) on the scale, or None outside of both."""
    if here is None or there is None:
        return None
    start, end, at = (quality(value, scale) for value in (here, there, target))
    if start == end or not (math.isfinite(start) and math.isfinite(end)):
        return None
    share = (at - start) / (end - start)
    return share if 0 <= share <= 1 else None
