"""Rate-distortion curves: from a run, and in the JSON layout that CompressAI uses."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isorate.reports.common_images import common, shared, standings
from isorate.reports.results import Column, Comparison
from isorate.reports.summary import mean
from isorate.runs.manifest import MetricEntry
from isorate.runs.row import Row


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One operating point of a curve; `point` is None where it is not of a run.

    `psnr` and `ms_ssim` are None where they are not known, or are means over other images with a point of their own.
    `qualities` has further metrics of a run on the scales of :meth:`isorate.runs.manifest.MetricEntry.quality`.
    """

    bpp: float
    psnr: float | None
    ms_ssim: float | None
    point: str | None = None
    qualities: Mapping[str, float | None] = field(default_factory=dict)

    def quality(self, metric: str) -> float | None:
        """Return what a curve of `metric` is drawn over: PSNR and MS-SSIM as they are, others on their scale."""
        if metric == "psnr":
            return self.psnr
        return self.ms_ssim if metric == "ms_ssim" else self.qualities.get(metric)


@dataclass(frozen=True, slots=True)
class Curve:
    """A codec's points by rising rate.

    `source` names a publication and is empty for what this run measured; `images` says over what the publication took
    its means, where that is known.
    """

    name: str
    points: tuple[CurvePoint, ...]
    source: str = ""
    images: str = ""


def of_image(comparison: Comparison, image: str, column: Column) -> Curve:
    """Return a codec's curve on one image."""
    rows = [comparison.cell(image, point, column.codec) for point in comparison.points(image)]
    metrics = comparison.manifest.more_metrics
    found = [point_of([row], metrics, row.point) for row in rows if row is not None and row.ok]
    return Curve(column.label, tuple(sorted((some for some in found if some), key=lambda point: point.bpp)))


def mean_points(rows: Mapping[str, Sequence[Row]], metrics: Sequence[MetricEntry], name: str) -> list[CurvePoint]:
    """Return the points of the means over rows at one level: one for each set of images that metrics have in common.

    Parameters
    ----------
    rows
        Of each metric those over which its mean is taken.
    metrics
        The further ones; their mean is taken before it goes to its scale.
    name
        Of the level.
    """
    together: dict[tuple[str, ...], list[str]] = {}
    for metric, some in rows.items():
        together.setdefault(tuple(row.image for row in some), []).append(metric)
    points = (point_of(rows[names[0]], metrics, name, names) for names in together.values())
    return [point for point in points if point is not None]


def point_of(
    rows: Sequence[Row], metrics: Sequence[MetricEntry], name: str, names: Collection[str] | None = None
) -> CurvePoint | None:
    """Return the point of the rows' means of the metrics called `names`, by default all; None without a rate."""
    bpp = mean([row.bpp for row in rows])
    if bpp is None:
        return None

    def value(metric: str) -> float | None:
        return mean([row.value(metric) for row in rows]) if names is None or metric in names else None

    further = {
        entry.name: entry.quality(found) if (found := value(entry.name)) is not None else None for entry in metrics
    }
    return CurvePoint(bpp, value("psnr"), value("ms_ssim"), name, further)


def complete_images(comparison: Comparison, *columns: Column, metric: str = "psnr") -> list[str]:
    """Return the images on which every one of the codecs has a finite value of the metric at every level.

    Where a codec's is infinite on all of them, the level has no point; no image is left out for it.
    """
    levels = comparison.levels()
    chosen = common([standings(comparison, column, levels)[metric] for column in columns])
    return [image.name for image in comparison.images if image.name in chosen]


def shared_images(comparison: Comparison) -> dict[str, frozenset[str]]:
    """Return for each metric the images over which the codecs' curves are means: the same for all.

    A codec that is complete on none of them has no curve, and leaves none out.
    """
    levels = comparison.levels()
    found = [standings(comparison, column, levels) for column in comparison.columns]
    return {metric: shared([some[metric] for some in found]) for metric in comparison.manifest.metric_labels}


def over(comparison: Comparison, images: Collection[str]) -> str:
    """Return in words that means are over some of the images; empty where they are over all."""
    if len(images) == len(comparison.images):
        return ""
    return f"means over {len(images)} of {len(comparison.images)} images: those on which every codec has a value"


def notes(comparison: Comparison, images: Mapping[str, Collection[str]]) -> list[str]:
    """Return what :func:`over` says of the metrics, by their names where it is not the same for all."""
    said = {metric: over(comparison, names) for metric, names in images.items()}
    if len(set(said.values())) == 1:
        return [text[0].upper() + text[1:] + "." for text in {*said.values()} if text]
    labels = comparison.manifest.metric_labels
    return [f"{labels[metric]}: {text}." for metric, text in said.items() if text]


def of_dataset(comparison: Comparison, column: Column, images: Mapping[str, Collection[str]]) -> Curve:
    """Return a codec's curve of means, those of a metric over the images that `images` has for it.

    A fixed set of images, so that no point is a mean over easier pictures than its neighbour. Metrics over other images
    than PSNR's, where some are too small for MS-SSIM, have points of their own with the rate of those. A level at which
    the codec lacks one of the images has no point.
    """
    found = []
    sets = {metric: frozenset(names) for metric, names in images.items()}
    for level in comparison.levels():
        rows = [row for row in comparison.at(level, column.codec) if row.ok]
        kept = {
            metric: [row for row in rows if row.image in chosen and row.value(metric) is not None]
            for metric, chosen in sets.items()
        }
        whole = {metric: some for metric, some in kept.items() if len(some) == len(sets[metric])}
        found += mean_points(whole, comparison.manifest.more_metrics, level.label)
    return Curve(column.label, tuple(sorted(found, key=lambda point: point.bpp)))


def of_run(comparison: Comparison, image: str | None = None) -> list[Curve]:
    """Return every codec's curve, on one image or of the means over the same images.

    Raises
    ------
    ReportError
        When the run has no such image.
    """
    if image is None:
        images = shared_images(comparison)
        return [of_dataset(comparison, column, images) for column in comparison.columns]
    comparison.check_images([image])
    return [of_image(comparison, image, column) for column in comparison.columns]


def to_compressai(curve: Curve, description: str) -> dict[str, Any]:
    """Return a curve in the layout of CompressAI's result files, which its plotting tool reads.

    An infinite PSNR, which strict JSON cannot hold, is null there. MS-SSIM is left out where its means are over other
    images, since the layout has one rate for both.
    """
    points = [point for point in curve.points if point.psnr is not None]
    results: dict[str, list[float | None]] = {"bpp": [point.bpp for point in points]}
    results["psnr-rgb"] = [None if point.psnr is None or math.isinf(point.psnr) else point.psnr for point in points]
    if all(point.ms_ssim is not None for point in points):
        results["ms-ssim-rgb"] = [point.ms_ssim for point in points]
    return {"name": curve.name, "description": description, "results": results}
