"""Means per codec, wins against the anchor and intervals of the differences.

A mean PSNR is the mean of the images' dB values (not the dB value of a mean error), as in papers on Kodak. Means of a
level are over the images on which every codec has a finite value; the others are left out of all of them, by name.
"""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isorate.metrics.base import quality
from isorate.reports.common_images import shared, standings
from isorate.reports.results import Column, Comparison, Level
from isorate.runs.aim import Aim
from isorate.runs.equal_rate import Basis, basis, counts
from isorate.runs.manifest import MetricEntry
from isorate.runs.row import Row

AVERAGING = (
    "Metrics are means of the per-image values (for PSNR: of the dB values); times and numbers of encodes are medians."
)


def at_equal(aim: Aim) -> str:
    """Return what the values mean that are marked as interpolated."""
    if aim.of_size:
        return (
            "≈ at equal rate: where a file misses the rate, quality is interpolated in log rate between it and the "
            "codec's next file on the other side of the rate, both measured; differences and wins are of these values."
        )
    return (
        f"≈ {aim.words}: where a file misses it, the size is interpolated between it and the codec's next file on the "
        "other side, both measured, in log size over the metric's curve scale; differences and wins are of these."
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean paired difference against the anchor and its 95 % interval.

    `low` and `high` are None where an interval means nothing: a single image, or identical pictures (infinite PSNR).
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """What a further metric says of a codec at one level: its mean, and where that stands against the anchor's.

    `better` is 1 or -1 where the interval of the difference leaves zero out, by the metric's direction; else 0.
    """

    mean: float | None
    difference: Interval | None
    wins: float | None
    better: int


@dataclass(frozen=True, slots=True)
class CodecSummary:
    """What one codec did at one level.

    `psnr`, `ms_ssim` and `metrics` are means of what was measured, each over the same images for all codecs, `bpp` over
    those of `psnr`; `left_out` names by metric the images on which only some of the codecs have a finite value.
    `at_aim` has the means by name of what counts at equal rate or quality (``isorate.runs.equal_rate.counts``), and
    of the rate as ``bpp``; None where that is not there on all of these images. Differences and wins are of what counts
    as well, over the images on which codec and anchor have it. `interpolated` counts the images whose values are
    interpolated, `unequal` those that miss the rate or quality without any, which do not count. At equal quality
    `difference_rate` is how many percent more bytes it needs than the anchor (from the mean of the logarithms), and
    `wins_rate` the share of images on which it needs fewer.
    `difference_ms_ssim_db` is the mean difference of the images' MS-SSIM in dB.
    `wins_psnr` and `wins_ms_ssim` are the share of images on which it beat the anchor, a tie counting one half.
    `residual` is the mean of the absolute residuals, `residual_worst` the largest of them.
    """

    column: Column
    cells: int
    failed: int
    bpp: float | None
    residual: float | None
    residual_worst: float | None
    psnr: float | None
    ms_ssim: float | None
    metrics: dict[str, MetricSummary]
    difference_psnr: Interval | None
    difference_ms_ssim: Interval | None
    difference_ms_ssim_db: Interval | None
    wins_psnr: float | None
    wins_ms_ssim: float | None
    encode_s: float | None
    decode_s: float | None
    probes: float | None
    at_aim: dict[str, float | None]
    interpolated: int
    unequal: int
    difference_rate: Interval | None
    wins_rate: float | None
    left_out: dict[str, tuple[str, ...]]


def summarize(comparison: Comparison, level: Level) -> list[CodecSummary]:
    """Return one summary for each codec, in the columns' order."""
    found = [standings(comparison, column, [level]) for column in comparison.columns]
    images = {metric: shared([some[metric] for some in found]) for metric in comparison.manifest.metric_labels}
    somewhere = {metric: frozenset[str]().union(*(some[metric].there for some in found)) for metric in images}
    left_out = {
        metric: tuple(name for name in level.point_of if name in somewhere[metric] and name not in images[metric])
        for metric in images
    }
    return [_summary(comparison, level, column, images, left_out) for column in comparison.columns]


def _summary(
    comparison: Comparison,
    level: Level,
    column: Column,
    images: Mapping[str, frozenset[str]],
    left_out: dict[str, tuple[str, ...]],
) -> CodecSummary:
    rows = comparison.at(level, column.codec)
    good = [row for row in rows if row.ok]
    tolerance = comparison.aim.tolerance
    both = pairs(comparison, good)
    against = [] if column.anchor else both
    residuals = [abs(row.residual) for row in good if row.quality is not None or row.residual_pct is not None]
    rates = [] if comparison.aim.of_size else sizes(against, tolerance)
    psnr, ms_ssim = compared(against, "psnr", tolerance), compared(against, "ms_ssim", tolerance)
    bases = Counter(basis(row, tolerance) for row in good)
    among = {metric: [row for row in good if row.image in names] for metric, names in images.items()}
    return CodecSummary(
        column=column,
        cells=len(rows),
        failed=len(rows) - len(good),
        bpp=mean([row.bpp for row in among["psnr"]]),
        residual=mean(residuals),
        residual_worst=max(residuals, default=None),
        psnr=mean([row.psnr for row in among["psnr"]]),
        ms_ssim=mean([row.ms_ssim for row in among["ms_ssim"]]),
        metrics={
            entry.name: _metric(entry, among[entry.name], compared(against, entry.name, tolerance))
            for entry in comparison.manifest.more_metrics
        },
        difference_psnr=difference(psnr),
        difference_ms_ssim=difference(ms_ssim),
        difference_ms_ssim_db=difference([(similarity_db(value), similarity_db(ref)) for value, ref in ms_ssim]),
        wins_psnr=win_rate(psnr),
        wins_ms_ssim=win_rate(ms_ssim),
        encode_s=_median([row.encode_s for row in good]),
        decode_s=_median([row.decode_s for row in good]),
        probes=_median([float(row.probes) for row in good]),
        at_aim={
            name: _whole_mean([counts(row, name, tolerance) for row in among.get(name, among["psnr"])])
            for name in ["bpp", *images]
        },
        interpolated=bases[Basis.INTERPOLATED],
        unequal=bases[Basis.NONE],
        difference_rate=_percent(difference(rates)),
        wins_rate=win_rate([(theirs, ours) for ours, theirs in rates]),
        left_out=left_out,
    )


def compared(
    pairs: Sequence[tuple[Row, Row]], metric: str, tolerance: float
) -> list[tuple[float | None, float | None]]:
    """Return what counts of a metric at equal rate or quality, of each pair of rows."""
    return [(counts(row, metric, tolerance), counts(ref, metric, tolerance)) for row, ref in pairs]


def sizes(pairs: Sequence[tuple[Row, Row]], tolerance: float) -> list[tuple[float, float]]:
    """Return the logarithms of the rates of each pair that are compared."""
    rates = compared(pairs, "bpp", tolerance)
    return [(math.log(ours), math.log(theirs)) for ours, theirs in rates if ours and theirs]


def _percent(gap: Interval | None) -> Interval | None:
    """Return a difference of logarithms in percent."""
    if gap is None:
        return None
    low, high = (None if end is None else to_percent(end) for end in (gap.low, gap.high))
    return Interval(to_percent(gap.mean), low, high, gap.count)


def to_percent(log_ratio: float) -> float:
    """Return by how many percent a ratio is above 1, infinite where no number holds it.

    >>> round(to_percent(math.log(1.1)), 6), to_percent(1000)
    (10.0, inf)
    """
    try:
        return 100 * math.expm1(log_ratio)
    except OverflowError:
        return math.inf


def _metric(
    entry: MetricEntry, rows: Sequence[Row], values: Sequence[tuple[float | None, float | None]]
) -> MetricSummary:
    gap = difference(values)
    better = 0 if gap is None or not gap.clear else 1 if (gap.mean > 0) == entry.larger_is_better else -1
    won = values if entry.larger_is_better else [(ref, value) for value, ref in values]
    return MetricSummary(mean([row.value(entry.name) for row in rows]), gap, win_rate(won), better)


def similarity_db(value: float | None) -> float | None:
    """Return an MS-SSIM as −10 log₁₀(1 − MS-SSIM), in dB."""
    return None if value is None else quality(value, "similarity")


def pairs(comparison: Comparison, rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Return each row with the anchor's on the same image at the same point, where that succeeded."""
    if comparison.anchor is None:
        return []
    refs = ((row, comparison.cell(row.image, row.point, comparison.anchor.codec)) for row in rows)
    return [(row, ref) for row, ref in refs if ref is not None and ref.ok]


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are there; an infinite one counts only where there is no other."""
    there = [value for value in values if value is not None]
    there = [value for value in there if math.isfinite(value)] or there
    return sum(there) / len(there) if there else None


def _whole_mean(values: Sequence[float | None]) -> float | None:
    """Return the mean where every value is there."""
    return None if None in values else mean(values)


def exclusions(comparison: Comparison, summaries: Sequence[CodecSummary]) -> list[str]:
    """Return sentences that name the images which a level's means leave out."""
    titles = comparison.manifest.metric_labels | {"psnr": "PSNR and rate"}
    metrics: dict[tuple[str, ...], list[str]] = {}
    for metric, names in (summaries[0].left_out if summaries else {}).items():
        if names:
            metrics.setdefault(names, []).append(metric)
    said = []
    for names, some in metrics.items():
        of = "" if len(some) == len(titles) else f" of {', '.join(titles[name] for name in some)}"
        said.append(
            f"Means{of} leave out {some_names(names)}: a codec failed there, or its value is infinite or not defined."
        )
    return said


def some_names(names: Sequence[str]) -> str:
    """Return the names, of many only the first.

    >>> some_names(["a", "b"]), some_names(list("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more')
    """
    most = 5
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def _median(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


def differences(both: Sequence[tuple[float | None, float | None]]) -> list[float]:
    """Return the first value minus the second of each pair that has both."""
    # Two identical pictures are a tie: inf - inf would be nan.
    return [0.0 if a == b else a - b for a, b in both if a is not None and b is not None]


def win_rate(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    """Return the share of pairs whose first value is larger, a tie counting one half."""
    gaps = differences(pairs)
    if not gaps:
        return None
    return sum(1.0 if d > 0 else 0.5 if d == 0 else 0.0 for d in gaps) / len(gaps)


def difference(pairs: Sequence[tuple[float | None, float | None]]) -> Interval | None:
    """Return the mean paired difference and its 95 % interval by Student's t, which holds for few images, too.

    Where some differences are finite, an infinite one (one picture of the pair is identical to the original) does not
    count; `count` says how many do. Each pair counts as independent of the others: give one for an image.
    """
    gaps = differences(pairs)
    if not gaps:
        return None
    gaps = [value for value in gaps if math.isfinite(value)] or gaps
    average = sum(gaps) / len(gaps)
    if len(gaps) < 2 or not math.isfinite(average):
        return Interval(average, None, None, len(gaps))
    if min(gaps) == max(gaps):  # whose rounded mean may not be equal to them
        return Interval(average, average, average, len(gaps))
    from scipy.special import stdtrit  # half a second, which a process without intervals need not take

    error = math.hypot(*(value - average for value in gaps)) / math.sqrt(len(gaps) * (len(gaps) - 1))
    reach = error * float(stdtrit(len(gaps) - 1, 0.975))
    return Interval(average, average - reach, average + reach, len(gaps))
