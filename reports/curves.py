"""Rate-distortion curves: from a run, from published tables, and in the JSON layout that CompressAI uses."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isorate.errors import ReportError
from isorate.reports.results import Column, Comparison
from isorate.reports.summary import mean
from isorate.runs.row import Row


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One operating point of a curve; `ms_ssim` is None where it is not known, `point` where it is not of a run."""

    bpp: float
    psnr: float | None
    ms_ssim: float | None
    point: str | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A codec's points by rising rate; `source` names a publication and is empty for what this run measured."""

    name: str
    points: tuple[CurvePoint, ...]
    source: str = ""


def of_image(comparison: Comparison, image: str, column: Column) -> Curve:
    """Return a codec's curve on one image."""
    rows = [comparison.cell(image, point, column.codec) for point in comparison.points(image)]
    found = [_point(row) for row in rows if row is not None and row.ok and row.bpp is not None]
    return Curve(column.label, tuple(sorted(found, key=lambda point: point.bpp)))


def _point(row: Row) -> CurvePoint:
    return CurvePoint(row.bpp or 0.0, row.psnr, row.ms_ssim, row.point)


def complete_images(comparison: Comparison, *columns: Column) -> list[str]:
    """Return the images on which every one of the codecs succeeded at every level."""
    levels = comparison.levels()
    return [
        image.name
        for image in comparison.images
        if all(_good(comparison, image.name, level.point_of.get(image.name), c) for level in levels for c in columns)
    ]


def of_dataset(comparison: Comparison, column: Column, images: Sequence[str] | None = None) -> Curve:
    """Return a codec's curve of means over the images, by default those on which it succeeded at every level.

    A fixed set of images, so that no point is a mean over easier pictures than its neighbour.
    """
    if images is None:
        images = complete_images(comparison, column)
    found = []
    for level in comparison.levels():
        rows = [row for row in comparison.at(level, column.codec) if row.image in images and row.ok]
        bpp = mean([row.bpp for row in rows])
        if bpp is not None:
            found.append(CurvePoint(bpp, mean([r.psnr for r in rows]), mean([r.ms_ssim for r in rows]), level.label))
    return Curve(column.label, tuple(sorted(found, key=lambda point: point.bpp)))


def _good(comparison: Comparison, image: str, point: str | None, column: Column) -> bool:
    row = comparison.cell(image, point, column.codec) if point else None
    return row is not None and row.ok


def to_compressai(curve: Curve, description: str) -> dict[str, Any]:
    """Return a curve in the layout of CompressAI's result files, which its plotting tool reads."""
    results: dict[str, list[float | None]] = {"bpp": [point.bpp for point in curve.points]}
    results["psnr-rgb"] = [point.psnr for point in curve.points]
    if all(point.ms_ssim is not None for point in curve.points):
        results["ms-ssim-rgb"] = [point.ms_ssim for point in curve.points]
    return {"name": curve.name, "description": description, "results": results}


def read(path: Path) -> list[Curve]:
    """Return published curves from a CSV file, a CompressAI JSON file, or a folder of such JSON files.

    The CSV has the columns ``codec``, ``bpp``, ``psnr_rgb`` (or ``psnr``), and may have ``ms_ssim`` and ``source``.

    Raises
    ------
    ReportError
        When the file is missing or has another layout.
    """
    if path.is_dir():
        found = [curve for file in sorted(path.glob("*.json")) for curve in read(file)]
        if not found:
            raise ReportError(f"{path}: no .json files with published curves in this folder")
        return found
    try:
        text = path.read_text("utf-8-sig")
        return [_from_compressai(json.loads(text), path.name)] if path.suffix == ".json" else _from_csv(text)
    except OSError as error:
        raise ReportError(
            f"{path}: {error.strerror}; give a CSV or a CompressAI JSON file of published curves"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"{path}: not a table of published curves: {error!r}") from None


def _from_csv(text: str) -> list[Curve]:
    curves: dict[str, list[CurvePoint]] = {}
    sources: dict[str, str] = {}
    for line in csv.DictReader(text.splitlines()):
        psnr = line["psnr_rgb"] if "psnr_rgb" in line else line["psnr"]
        point = CurvePoint(float(line["bpp"]), _optional(psnr), _optional(line.get("ms_ssim")))
        curves.setdefault(line["codec"], []).append(point)
        sources.setdefault(line["codec"], line.get("source") or "published")
    return [_curve(name, points, sources[name]) for name, points in curves.items()]


def _optional(text: str | None) -> float | None:
    return float(text) if text else None


def _from_compressai(data: dict[str, Any], file: str) -> Curve:
    results = data["results"]
    psnr = results.get("psnr-rgb") or results.get("psnr") or [None] * len(results["bpp"])
    ms_ssim = results.get("ms-ssim-rgb") or results.get("ms-ssim") or [None] * len(results["bpp"])
    points = [CurvePoint(*values) for values in zip(results["bpp"], psnr, ms_ssim, strict=True)]
    return _curve(str(data["name"]), points, str(data.get("description") or file))


def _curve(name: str, points: Sequence[CurvePoint], source: str) -> Curve:
    return Curve(name, tuple(sorted(points, key=lambda point: point.bpp)), source)
