"""Which images means are taken over: those on which all the codecs that stand beside each other have a value.

A mean over other images than its neighbour's says nothing of the codecs: one that fails on the hard pictures would
look better than all that do not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from isorate.reports.results import Column, Comparison, Level


@dataclass(frozen=True, slots=True)
class Standing:
    """One codec's values of one metric at some levels.

    Attributes
    ----------
    there
        The images on which it has a value at every level.
    infinite
        For each level those on which that is infinite: decoded without any error.
    """

    there: frozenset[str]
    infinite: tuple[frozenset[str], ...]


def standings(comparison: Comparison, column: Column, levels: Sequence[Level]) -> dict[str, Standing]:
    """Return where a codec stands on the images at all of `levels`, by metric."""
    rows = [[row for row in comparison.at(level, column.codec) if row.ok] for level in levels]
    found = {}
    for metric in comparison.manifest.metric_labels:
        values = [{row.image: value for row in some if (value := row.value(metric)) is not None} for some in rows]
        there = frozenset(values[0]).intersection(*values[1:]) if values else frozenset()
        infinite = (frozenset(name for name, value in some.items() if math.isinf(value)) for some in values)
        found[metric] = Standing(there, tuple(infinite))
    return found


def common(some: Sequence[Standing]) -> frozenset[str]:
    """Return the images of the codecs' means of a metric.

    All of the codecs have a finite value on them; but where one is infinite on all the images that are left, its mean
    is, and no image is left out for it. Without any codec there are none.
    """
    if not some:
        return frozenset()
    chosen = frozenset[str].intersection(*(one.there for one in some))
    identical = (infinite & chosen for one in some for infinite in one.infinite)
    return chosen.difference(*(names for names in identical if names != chosen))


def shared(some: Sequence[Standing]) -> frozenset[str]:
    """Return the images that :func:`common` has for those of the codecs that have any image at all."""
    return common([one for one in some if common([one])])
