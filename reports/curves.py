"""Rate-distortion curves: from a run, and in the JSON layout that CompressAI uses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from isorate.reports.results import Column, Comparison
from isorate.reports.summary import identical_among, mean
from isorate.runs.manifest import MetricEntry
from isorate.runs.row import Row


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One operating point of a curve; `ms_ssim` is None where it is not known, `point` where it is not of a run.

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
    found = [
        point_of(row.bpp, [row], metrics, row.point)
        for row in rows
        if row is not None and row.ok and row.bpp is not None
    ]
    return Curve(column.label, tuple(sorted(found, key=lambda point: point.bpp)))


def point_of(bpp: float, rows: Sequence[Row], metrics: Sequence[MetricEntry], name: str) -> CurvePoint:
    """Return the point of the rows' means; a further metric's mean is taken before it goes to its scale."""
    means = {entry: mean([row.value(entry.name) for row in rows]) for entry in metrics}
    qualities = {entry.name: None if value is None else entry.quality(value) for entry, value in means.items()}
    return CurvePoint(bpp, mean([r.psnr for r in rows]), mean([r.ms_ssim for r in rows]), name, qualities)


def complete_images(comparison: Comparison, *columns: Column) -> list[str]:
    """Return the images on which every one of the codecs succeeded at every level, with a finite PSNR.

    Where a codec's PSNR is infinite on all of them, the level has no point; no image is left out for it.
    """
    levels = comparison.levels()
    good = [
        image.name
        for image in comparison.images
        if all(_good(comparison, image.name, level.point_of.get(image.name), c) for level in levels for c in columns)
    ]
    identical: set[str] = set()
    chosen = set(good)
    for level in levels:
        for column in columns:
            identical.update(identical_among([r for r in comparison.at(level, column.codec) if r.image in chosen]))
    return [name for name in good if name not in identical]


def of_dataset(comparison: Comparison, column: Column, images: Sequence[str] | None = None) -> Curve:
    """Return a codec's curve of means over the images, by default those on which it succeeded at every level.

    A fixed set of images, so that no point is a mean over easier pictures than its neighbour.
    """
    if images is None:
        images = complete_images(comparison, column)
    chosen = set(images)
    found = []
    for level in comparison.levels():
        rows = [row for row in comparison.at(level, column.codec) if row.image in chosen and row.ok]
        bpp = mean([row.bpp for row in rows])
        if bpp is not None:
            found.append(point_of(bpp, rows, comparison.manifest.more_metrics, level.label))
    return Curve(column.label, tuple(sorted(found, key=lambda point: point.bpp)))


def of_run(comparison: Comparison, image: str | None = None) -> list[Curve]:
    """Return every codec's curve, on one image or of the means.

    Raises
    ------
    ReportError
        When the run has no such image.
    """
    if image is None:
        return [of_dataset(comparison, column) for column in comparison.columns]
    comparison.check_images([image])
    return [of_image(comparison, image, column) for column in comparison.columns]


def _good(comparison: Comparison, image: str, point: str | None, column: Column) -> bool:
    row = comparison.cell(image, point, column.codec) if point else None
    return row is not None and row.ok


def to_compressai(curve: Curve, description: str) -> dict[str, Any]:
    """Return a curve in the layout of CompressAI's result files, which its plotting tool reads.

    An infinite PSNR, which strict JSON cannot hold, is null there.
    """
    results: dict[str, list[float | None]] = {"bpp": [point.bpp for point in curve.points]}
    results["psnr-rgb"] = [None if p.psnr is None or math.isinf(p.psnr) else p.psnr for p in curve.points]
    if all(point.ms_ssim is not None for point in curve.points):
        results["ms-ssim-rgb"] = [point.ms_ssim for point in curve.points]
    return {"name": curve.name, "description": description, "results": results}
