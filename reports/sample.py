"""Which images a page shows the pictures of, where a run has more than a reader looks at."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from isorate.reports.results import Comparison, ImageInfo, Level
from isorate.runs.aim import Aim
from isorate.runs.equal_rate import counts
from isorate.runs.row import Row

SAMPLE = 200
"""Images of which a page shows the pictures unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The images whose pictures are shown, in the data set's order.

    `how` says in words by what they were chosen; it is empty where they are all. `left_out` further ones would be shown
    where there is room.
    """

    images: list[ImageInfo]
    how: str = ""
    left_out: int = 0


def choose(comparison: Comparison, most: int = SAMPLE, names: Sequence[str] = ()) -> Sample:
    """Return the images whose pictures are shown: all, where the run has no more than `most`.

    Else in turn the median one by the best codec, for each codec those where it is furthest below the anchor, furthest
    above it and in the middle, those on which the codecs are furthest apart, and those where one failed. The order is
    by PSNR against the anchor's (at equal quality by the logarithm of the rate), at the lowest rate with pictures.
    Equal input gives an equal sample.

    Parameters
    ----------
    comparison
        The run.
    most
        How many.
    names
        The images themselves, in place of a choice.

    Raises
    ------
    ReportError
        When the run has no image of one of these names.
    """
    if names:
        comparison.check_images(names)
        chosen, how = set(names), "chosen by name"
    elif len(comparison.images) <= most:
        return Sample(comparison.images)
    else:
        chosen = {image.name for image in telling_first(comparison, comparison.images)[:most]}
        how = _how(comparison)
    return Sample([image for image in comparison.images if image.name in chosen], how)


def telling_first(comparison: Comparison, images: Sequence[ImageInfo]) -> list[ImageInfo]:
    """Return images in the order in which :func:`choose` takes them."""
    turns = chain.from_iterable(zip_longest(*_lists(comparison, first_pictured(comparison.levels()))))
    by_name = {image.name: image for image in images}
    order = dict.fromkeys(chain((name for name in turns if name), by_name))
    return [by_name[name] for name in order if name in by_name]


def with_room_for(comparison: Comparison, sample: Sample, names: Collection[str]) -> Sample:
    """Return a sample with only those images, the first ones of :func:`telling_first`, that a page has room for."""
    kept = [image for image in sample.images if image.name in names]
    left_out = len(sample.images) - len(kept)
    return Sample(kept, sample.how or _how(comparison), left_out) if left_out else sample


def first_pictured(levels: Sequence[Level]) -> Level:
    """Return the level of the lowest rate with pictures, or the first where none has any."""
    return next((level for level in levels if level.pictures), levels[0])


def merit(row: Row | None, aim: Aim) -> float | None:
    """Return what is better where it is larger: PSNR, or at equal quality the logarithm of the rate, turned around."""
    if aim.of_size:
        value = counts(row, "psnr", aim.tolerance)
        return None if value is None or math.isinf(value) else value
    return -math.log(rate) if (rate := counts(row, "bpp", aim.tolerance)) else None


def best_gaps(comparison: Comparison, level: Level) -> dict[str, float]:
    """Return what the best codec has before the anchor, for each image with both."""
    found = {}
    for name, (anchor, *others) in _merits(comparison, level).items():
        there = [value for value in others if value is not None]
        if anchor is not None and there:
            found[name] = max(there) - anchor
    return found


def from_the_middle(values: dict[str, float]) -> list[str]:
    """Return the names by how far their value's rank is from the median one's.

    >>> from_the_middle({"a": 5.0, "b": 1.0, "c": 3.0, "d": 2.0, "e": 9.0})
    ['c', 'd', 'a', 'b', 'e']
    """
    ranked = sorted(values, key=lambda name: values[name])
    middle = (len(ranked) - 1) // 2
    return [ranked[at] for at in sorted(range(len(ranked)), key=lambda at: abs(at - middle))]


def _merits(comparison: Comparison, level: Level) -> dict[str, list[float | None]]:
    return {
        name: [merit(row, comparison.aim) for row in comparison.row_line(name, point)]
        for name, point in level.point_of.items()
    }


def _lists(comparison: Comparison, level: Level) -> Iterator[list[str]]:
    """Iterate over lists of images, in each the most telling one first.

    Yields
    ------
    The median one by the best codec first; for each codec those where it is furthest below the anchor, furthest above
    it, and in the middle; those on which the codecs are furthest apart; those where one failed or is missing.
    """
    merits = _merits(comparison, level)
    yield from_the_middle(best_gaps(comparison, level))
    for at, column in enumerate(comparison.columns):
        if not column.anchor:
            pairs = {name: (values[at], values[0]) for name, values in merits.items()}
            gaps = {name: a - b for name, (a, b) in pairs.items() if a is not None and b is not None}
            ranked = sorted(gaps, key=lambda name: gaps[name])
            yield from (ranked, ranked[::-1], from_the_middle(gaps))
    there = {name: [value for value in values if value is not None] for name, values in merits.items()}
    apart = {name: max(values) - min(values) for name, values in there.items() if values}
    yield sorted(apart, key=lambda name: -apart[name])
    lines = {name: comparison.row_line(name, point) for name, point in level.point_of.items()}
    yield [name for name, cells in lines.items() if any(row is None or not row.ok for row in cells)]


def _how(comparison: Comparison) -> str:
    level = first_pictured(comparison.levels())
    by = "PSNR" if comparison.aim.of_size else "bytes"
    at = f" at {level.words}" if len(comparison.levels()) > 1 and level.words else ""
    return (
        f"chosen by {by}{at}: for each codec where it is furthest below the anchor, furthest above it and in the "
        "middle, where the codecs are furthest apart, and where one failed"
    )
