"""Bjøntegaard's mean rate difference, refused where the curves do not carry it.

The `bjontegaard` package computes it; this module decides whether it may: too few points, an overlap too small and
points that another point of the same codec dominates each give numbers that look precise and mean nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from isorate.reports.curves import Curve, complete_images, of_dataset, of_image
from isorate.reports.results import Column, Comparison
from isorate.reports.summary import Interval, difference, similarity_db

Metric: TypeAlias = str
"""``psnr``, ``ms_ssim``, or a further metric of the run."""

MIN_POINTS = 4
MIN_OVERLAP = 1 / 3
"""Share of the narrower curve's quality range that both curves must cover.

At equal rates JPEG and BPG share about 40 %, which carries a number; below a third an end of one curve decides it.
"""
GOOD_OVERLAP = 0.75
"""Below this share, the overlap is marked (the `bjontegaard` package warns there)."""


@dataclass(frozen=True, slots=True)
class BDRate:
    """A BD-rate, or the reason why there is none.

    Attributes
    ----------
    percent
        Mean rate difference at equal quality; negative means smaller files than the anchor's.
    low, high
        The quality range that was compared, in dB but for further metrics without that scale.
    overlap
        The share of the narrower curve's range that this is.
    reason
        Why `percent` is None.
    left_out
        Images that are in neither curve: a codec failed on them, or has no finite value of the metric there.
    images
        The same over single images: mean and interval, where at least two images allow it.
    unit
        Of `low` and `high`, as it is printed behind them.
    """

    percent: float | None
    low: float | None = None
    high: float | None = None
    overlap: float | None = None
    reason: str = ""
    left_out: tuple[str, ...] = ()
    images: Interval | None = None
    unit: str = " dB"


def frontier(curve: Curve, metric: Metric) -> list[tuple[float, float]]:
    """Return the (rate, quality) points that no other point beats at a rate as low, finite and rising."""
    found: list[tuple[float, float]] = []
    for point in curve.points:
        quality = similarity_db(point.ms_ssim) if metric == "ms_ssim" else point.quality(metric)
        if quality is None:
            continue
        if math.isfinite(quality) and point.bpp > 0 and (not found or quality > found[-1][1]):
            if found and found[-1][0] == point.bpp:
                found.pop()
            found.append((point.bpp, quality))
    return found


def bd_rate(anchor: Curve, test: Curve, metric: Metric) -> BDRate:
    """Return the BD-rate of `test` against `anchor` (piecewise cubic interpolation of log rate over quality)."""
    ours, theirs = frontier(test, metric), frontier(anchor, metric)
    few = min([(len(theirs), anchor.name), (len(ours), test.name)], key=lambda pair: pair[0])
    if few[0] < MIN_POINTS:
        points = "1 usable point" if few[0] == 1 else f"{few[0]} usable points"
        return BDRate(None, reason=f"{few[1]} has {points}; a curve needs {MIN_POINTS}")
    low, high = max(ours[0][1], theirs[0][1]), min(ours[-1][1], theirs[-1][1])
    narrower = min(ours[-1][1] - ours[0][1], theirs[-1][1] - theirs[0][1])
    overlap = max(0.0, (high - low) / narrower)
    if overlap < MIN_OVERLAP:
        reason = f"the curves share {overlap:.0%} of the narrower one's quality range; {MIN_OVERLAP:.0%} are needed"
        return BDRate(None, overlap=overlap, reason=reason)
    from bjontegaard import bd_rate as compute

    (rate_a, quality_a), (rate_t, quality_t) = zip(*theirs, strict=True), zip(*ours, strict=True)
    percent = compute(rate_a, quality_a, rate_t, quality_t, "pchip", require_matching_points=False, min_overlap=0)
    return BDRate(float(percent), low, high, overlap)


def of_codec(comparison: Comparison, column: Column, metric: Metric, *, each_image: bool = True) -> BDRate:
    """Return the BD-rate of a codec's data-set curve against the anchor's, with that over single images if wanted."""
    if comparison.anchor is None:
        return BDRate(None, reason="the run has no anchor")
    # The same pictures on both sides: a codec that failed on the hard ones would look better.
    images = complete_images(comparison, comparison.anchor, column, metric=metric)
    every_image = tuple(image.name for image in comparison.images)
    if not images:
        return BDRate(None, reason=_without_images(comparison, comparison.anchor, column, metric), left_out=every_image)
    anchor, test = (of_dataset(comparison, some, {metric: images}) for some in (comparison.anchor, column))
    whole = bd_rate(anchor, test, metric)
    chosen = set(images)
    left_out = tuple(name for name in every_image if name not in chosen)
    entry = next((entry for entry in comparison.manifest.more_metrics if entry.name == metric), None)
    whole = replace(whole, unit=f" {unit}" if (unit := entry.quality_unit if entry else "dB") else "")
    if whole.percent is None or not each_image:
        return replace(whole, left_out=left_out)
    each = []
    for image in comparison.images:
        theirs = of_image(comparison, image.name, comparison.anchor)
        each.append(bd_rate(theirs, of_image(comparison, image.name, column), metric).percent)
    return replace(whole, left_out=left_out, images=over_images(each))


def _without_images(comparison: Comparison, anchor: Column, column: Column, metric: Metric) -> str:
    """Return why two codecs have no curves of the same images."""
    lacking = [one.label for one in (column, anchor) if not complete_images(comparison, one, metric=metric)]
    if not lacking:
        return f"{column.label} and {anchor.label} have no image in common with a value at every operating point"
    return f"{lacking[0]} has no image with a value at every operating point"


def over_images(percents: Sequence[float | None]) -> Interval | None:
    """Return the mean of single images' BD-rates and its interval, which ends at −100 %: files of no bytes."""
    found = difference([(percent, 0.0) for percent in percents])
    return found if found is None or found.low is None else replace(found, low=max(found.low, -100.0))
