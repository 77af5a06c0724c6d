"""Two runs side by side: what the second one changed, codec by codec."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from isorate.errors import ReportError, RunError
from isorate.metrics.base import Scale
from isorate.pictures.names import readable
from isorate.reports.bdrate import BDRate, Metric, bd_rate
from isorate.reports.classes import NO_CLASSES, images_by_class
from isorate.reports.common_images import Standing, common, standings
from isorate.reports.curves import of_dataset
from isorate.reports.results import Column, Comparison
from isorate.reports.summary import Interval, difference, differences, mean, win_rate
from isorate.runs.aim import SIZE, Aim
from isorate.runs.differences import version_differences
from isorate.runs.equal_rate import at_size, encloses
from isorate.runs.folder import Run
from isorate.runs.manifest import MetricEntry, Unfinished
from isorate.runs.row import Row

RATE_STEP_PCT = 0.5
"""Where two rows' rates differ by more than this, the difference of their quality is mostly rate."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One cell in both runs, which hold the file size equal or a metric (`of_size`)."""

    first: Row
    second: Row
    of_size: bool = True

    @property
    def rate_pct(self) -> float:
        """By how many percent the second file is larger; at equal quality, than it had to be in the first run."""
        if not self.of_size:
            return 100 * ((self.second.compared("bpp") or 0.0) / (self.first.compared("bpp") or math.inf) - 1)
        assert self.first.num_bytes is not None
        assert self.second.num_bytes is not None
        return 100 * (self.second.num_bytes / self.first.num_bytes - 1)

    @property
    def between(self) -> Literal["first", "second"] | None:
        """Whose values are interpolated at the other's file size: that run has a file on either side of it.

        None where the sizes are as good as equal, or neither has; then both count as measured. At equal quality nothing
        is brought to another size.
        """
        if not self.of_size or abs(self.rate_pct) <= RATE_STEP_PCT:
            return None
        assert self.first.num_bytes is not None
        assert self.second.num_bytes is not None
        if encloses(self.second, self.first.num_bytes):
            return "second"
        return "first" if encloses(self.first, self.second.num_bytes) else None

    def values(self, metric: str, scale: Scale) -> tuple[float | None, float | None]:
        """Return what is compared of a metric, the second's first; see :attr:`between`."""
        if not self.of_size:
            return self.second.compared(metric), self.first.compared(metric)
        second, first = self.second.value(metric), self.first.value(metric)
        if self.between == "second":
            return at_size(self.second, metric, self.first.num_bytes or 0, scale), first
        if self.between == "first":
            return second, at_size(self.first, metric, self.second.num_bytes or 0, scale)
        return second, first

    @property
    def psnr(self) -> tuple[float | None, float | None]:
        """See :meth:`values`."""
        return self.values("psnr", "as it is")

    @property
    def ms_ssim(self) -> tuple[float | None, float | None]:
        """See :meth:`values`."""
        return self.values("ms_ssim", "similarity")


@dataclass(frozen=True, slots=True)
class MetricChange:
    """What changed in a further metric: second minus first over images, the share of cells that got better, BD-rate."""

    label: str
    digits: int
    difference: Interval | None
    wins: float | None
    bd: BDRate


@dataclass(frozen=True, slots=True)
class CodecChange:
    """What changed for one codec.

    Attributes
    ----------
    codec, label
        The codec.
    pairs
        The cells that succeeded in both runs.
    images
        How many images they are of.
    images_in_both
        How many images both runs have cells of, those that failed included.
    psnr, ms_ssim
        Mean of second minus first over the images, of each its mean over its cells, with its 95 % interval; None
        without pairs.
    wins_psnr, wins_ms_ssim
        The share of cells in which the second run is better; a tie counts one half.
    rate_pct
        Mean change of the file size.
    other_rate
        How many pairs differ in rate by more than :data:`RATE_STEP_PCT` and are compared as measured.
    interpolated
        How many others are compared at one size, by :attr:`Pair.between`.
    bd_psnr, bd_ms_ssim
        The second run's BD-rate against the first's, or why there is none; over the images that are not left out.
    metrics
        Further metrics that both runs measured the same way, by name.
    failed
        Cells that failed in the first and in the second run.
    """

    codec: str
    label: str
    pairs: tuple[Pair, ...]
    images: int
    images_in_both: int
    psnr: Interval | None
    ms_ssim: Interval | None
    wins_psnr: float | None
    wins_ms_ssim: float | None
    rate_pct: float | None
    other_rate: int
    interpolated: int
    bd_psnr: BDRate
    bd_ms_ssim: BDRate
    metrics: dict[str, MetricChange]
    failed: tuple[int, int]


@dataclass(frozen=True, slots=True)
class ClassChange:
    """What changed on the images of one class, and how many of them both runs have."""

    name: str
    images: int
    codecs: tuple[CodecChange, ...]


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """Two runs.

    Attributes
    ----------
    first, second
        Their folders.
    codecs
        The codecs of both.
    only_first, only_second
        Cells that one run lacks, as "image, codec, point".
    different_images
        Images of the same name that are other pictures; their cells are not compared.
    versions
        What the manifests record differently.
    unfinished
        Of each run how many of its planned rows are there, or None when all are.
    held
        What both hold equal: ``size``, or the metric as a reader sees it.
    other_targets
        How many cells were driven to another quality in the second run.
    classes
        Each class of images alone, where that was asked for, in the first run's order.
    """

    first: str
    second: str
    codecs: tuple[CodecChange, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    different_images: tuple[str, ...]
    versions: tuple[str, ...]
    unfinished: tuple[Unfinished | None, Unfinished | None]
    held: str = SIZE
    other_targets: int = 0
    classes: tuple[ClassChange, ...] = ()


def compare_runs(first: Run | Path | str, second: Run | Path | str, *, by_class: bool = False) -> RunsCompared:
    """Return what `second` changed against `first`; both are runs, or their folders.

    With `by_class` also for each class of images alone: the classes are those of the first run's data set, or of the
    second's where that one's names none.

    Raises
    ------
    RunError
        When they have no cell in common, hold different things equal, or one of them is damaged.
    ReportError
        When one of them holds no rows, or classes are asked for and neither data set names two.
    """
    sides = Comparison(first), Comparison(second)
    runs = tuple(side.run for side in sides)
    aim = sides[0].aim
    if aim.name != sides[1].aim.name:
        held = [f"{side.run.path} holds the {side.aim.name} equal" for side in sides]
        raise RunError(f"{held[0]}, {held[1]}; compare runs that hold the same equal (isorate run --match)")
    rows = tuple({row.key: row for row in side.rows} for side in sides)
    other = sorted(
        {key[0] for key in rows[0].keys() & rows[1] if rows[0][key].image_sha256 != rows[1][key].image_sha256}
    )
    common = [key for key in rows[0] if key in rows[1] and key[0] not in other]
    if not common:
        raise RunError(
            f"{runs[0].path} and {runs[1].path} have no cell in common (image, operating point, codec); "
            "compare runs over the same images at the same points"
        )
    pairs = [(rows[0][key], rows[1][key]) for key in common]
    return RunsCompared(
        readable(str(runs[0].path)),
        readable(str(runs[1].path)),
        _changes(sides, pairs),
        tuple(_name(key) for key in rows[0] if key not in rows[1]),
        tuple(_name(key) for key in rows[1] if key not in rows[0]),
        tuple(other),
        tuple(text for _, text in version_differences(runs[0].manifest, runs[1].manifest)),
        (sides[0].unfinished, sides[1].unfinished),
        SIZE if aim.of_size else aim.label,
        sum(_other_target(*pair, aim) for pair in pairs),
        tuple(_classes(sides, pairs)) if by_class else (),
    )


def _changes(sides: tuple[Comparison, Comparison], pairs: list[tuple[Row, Row]]) -> tuple[CodecChange, ...]:
    """Return what changed in cells that both runs have, codec by codec."""
    cells: dict[str, list[tuple[Row, Row]]] = {}
    for pair in pairs:
        cells.setdefault(pair[0].codec, []).append(pair)
    others = {column.codec: column for column in sides[1].columns}
    return tuple(
        _change(sides, column, others[column.codec], cells[column.codec])
        for column in sides[0].columns
        if column.codec in cells
    )


def _classes(sides: tuple[Comparison, Comparison], pairs: list[tuple[Row, Row]]) -> Iterator[ClassChange]:
    """Yield what changed on the images of each class of which both runs have cells."""
    classes = images_by_class(sides[0]) or images_by_class(sides[1])
    if not classes:
        raise ReportError(f"{sides[0].run.path}, {sides[1].run.path}: {NO_CLASSES}")
    of_image: dict[str, list[tuple[Row, Row]]] = {}
    for pair in pairs:
        of_image.setdefault(pair[0].image, []).append(pair)
    for name, images in classes.items():
        there = [image for image in images if image in of_image]
        if there:
            part = sides[0].among(set(there)), sides[1].among(set(there))
            yield ClassChange(name, len(there), _changes(part, [pair for image in there for pair in of_image[image]]))


def _other_target(first: Row, second: Row, aim: Aim) -> bool:
    """Whether a cell was driven to a quality that is further away than the tolerance."""
    if first.quality is None or second.quality is None:
        return False
    return abs(aim.height(second.quality.target) - aim.height(first.quality.target)) > aim.tolerance


def _name(key: tuple[str, str, str]) -> str:
    return f"{key[0]}, {key[2]}, {key[1]}"


def _change(
    sides: tuple[Comparison, Comparison], first: Column, second: Column, cells: list[tuple[Row, Row]]
) -> CodecChange:
    of_size = sides[0].aim.of_size
    pairs = tuple(Pair(a, b, of_size) for a, b in cells if a.complete and b.complete)
    psnr = [pair.psnr for pair in pairs]
    ms_ssim = [pair.ms_ssim for pair in pairs]
    rates = _rates(sides, (first, second), cells)
    return CodecChange(
        codec=first.codec,
        label=first.label,
        pairs=pairs,
        images=len({pair.first.image for pair in pairs}),
        images_in_both=len({a.image for a, _ in cells}),
        psnr=_over_images(pairs, psnr),
        ms_ssim=_over_images(pairs, ms_ssim),
        wins_psnr=win_rate(psnr),
        wins_ms_ssim=win_rate(ms_ssim),
        rate_pct=sum(pair.rate_pct for pair in pairs) / len(pairs) if pairs else None,
        other_rate=sum(of_size and abs(pair.rate_pct) > RATE_STEP_PCT and pair.between is None for pair in pairs),
        interpolated=sum(pair.between is not None for pair in pairs),
        bd_psnr=rates["psnr"],
        bd_ms_ssim=rates["ms_ssim"],
        metrics={entry.name: _metric_change(entry, pairs, rates[entry.name]) for entry in _both(sides)},
        failed=(sum(not a.ok for a, _ in cells), sum(not b.ok for _, b in cells)),
    )


def _both(sides: tuple[Comparison, Comparison]) -> list[MetricEntry]:
    """Return the further metrics that one implementation measured in both runs."""
    first, second = ({entry.name: entry for entry in side.manifest.more_metrics} for side in sides)
    return [entry for name, entry in first.items() if name in second and second[name].identity == entry.identity]


def _over_images(pairs: Sequence[Pair], values: Sequence[tuple[float | None, float | None]]) -> Interval | None:
    """Return the mean difference of the pairs' values and its interval over the images.

    The points of one image rise and fall together: as cells on their own they would make the interval too narrow.
    """
    of_image: dict[str, list[float]] = {}
    for pair, both in zip(pairs, values, strict=True):
        of_image.setdefault(pair.first.image, []).extend(differences([both]))
    return difference([(mean(gaps), 0.0) for gaps in of_image.values()])


def _metric_change(entry: MetricEntry, pairs: Sequence[Pair], bd: BDRate) -> MetricChange:
    values = [pair.values(entry.name, entry.scale) for pair in pairs]
    better = values if entry.larger_is_better else [(first, second) for second, first in values]
    gap = _over_images(pairs, values)
    return MetricChange(entry.label, entry.digits, gap, win_rate(better), bd)


def _rates(
    sides: tuple[Comparison, Comparison], columns: tuple[Column, Column], cells: list[tuple[Row, Row]]
) -> dict[Metric, BDRate]:
    """Return a codec's BD-rates: as in a run's report over the images on which both curves have all their points."""
    images = tuple(dict.fromkeys(first.image for first, _ in cells))
    pairs = list(zip(sides, columns, strict=True))
    found = [_standings(side, column, frozenset(images)) for side, column in pairs]
    metrics = ("psnr", "ms_ssim", *(entry.name for entry in _both(sides)))
    chosen = {metric: common([one[metric] for one in found]) for metric in metrics}
    first, second = (of_dataset(side, column, chosen) for side, column in pairs)
    rates = {}
    for metric, names in chosen.items():
        without = f"{columns[0].label} has no image with a value at every operating point of both runs"
        rate = bd_rate(first, second, metric) if names else BDRate(None, reason=without)
        rates[metric] = replace(rate, left_out=tuple(image for image in images if image not in names))
    return rates


def _standings(side: Comparison, column: Column, images: frozenset[str]) -> dict[Metric, Standing]:
    """Return where one run stands on these images; an operating point where it failed on all is none of its curve."""
    levels = [level for level in side.levels() if any(row.ok for row in side.at(level, column.codec))]
    found = standings(side, column, levels)
    return {metric: replace(one, there=one.there & images) for metric, one in found.items()}
