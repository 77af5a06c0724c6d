"""Published rate-distortion curves, read from tables that others wrote: every number is checked, with file and line."""

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

from isorate.errors import ReportError
from isorate.files import typed_json
from isorate.files.plain import LARGEST_SETTINGS, read_plain
from isorate.metrics.base import from_quality
from isorate.reports import published_kodak
from isorate.reports.curves import Curve, CurvePoint


def named(value: Path | str | None) -> list[Curve]:
    """Return the published curves that a user asks for: the project's own by their name, or a file's.

    ``kodak`` names those that come with the project, ``kodak:vvc,av1`` some of them; a path object, or a text such as
    ``./kodak``, is a file or folder (:func:`read`); None is none.

    Raises
    ------
    ReportError
        See :func:`read` and ``isorate.reports.published_kodak.curves``.
    """
    if value is None:
        return []
    if isinstance(value, str):
        name, _, chosen = value.partition(":")
        if name == published_kodak.NAME:
            return published_kodak.curves(chosen)
    return read(Path(value))


def read(path: Path) -> list[Curve]:
    """Return published curves from a CSV file, a CompressAI JSON file, or a folder of such JSON files.

    The CSV has the columns ``codec``, ``bpp``, ``psnr_rgb`` (or ``psnr``), and may have ``ms_ssim`` (0..1) or
    ``ms_ssim_db`` (-10 log10(1 - MS-SSIM)), and ``source``. A JSON file holds one curve in CompressAI's layout, or a
    list of them as ``isorate table --format compressai`` prints it.

    Raises
    ------
    ReportError
        When the file is missing, has another layout, or holds a number that cannot be: a rate that is not positive, a
        PSNR that is not finite, an MS-SSIM outside 0..1. The message names the file and the line or the entry.
    """
    if path.is_dir():
        found = [curve for file in sorted(path.glob("*.json")) for curve in read(file)]
        if not found:
            raise ReportError(f"{path}: no .json files with published curves in this folder")
        return found
    try:
        text = read_plain(path, LARGEST_SETTINGS).decode("utf-8-sig")
    except OSError as error:
        raise ReportError(
            f"{path}: {error.strerror}; give a CSV or a CompressAI JSON file of published curves, or kodak"
        ) from None
    except UnicodeDecodeError:
        raise ReportError(f"{path}: not UTF-8 text; save the table of published curves as UTF-8") from None
    try:
        return _from_json(text, path) if path.suffix.lower() == ".json" else _from_csv(text, path)
    except csv.Error as error:
        raise ReportError(f"{path}: not a table of published curves: {error}") from None


def _from_csv(text: str, path: Path) -> list[Curve]:
    reader = csv.DictReader(text.splitlines())
    have = reader.fieldnames or ()
    if len(set(have)) < len(have):
        raise ReportError(f"{path}: two columns of its first line have one name; keep one of them")
    psnr = "psnr_rgb" if "psnr_rgb" in have else "psnr"
    if missing := [name for name in ("codec", "bpp", psnr) if name not in have]:
        raise ReportError(f"{path}: not a table of published curves: no column {', '.join(missing)} in its first line")
    curves: dict[str, list[CurvePoint]] = {}
    sources: dict[str, str] = {}
    for line in reader:
        where = f"{path}, line {reader.line_num}"
        if not (name := line["codec"]):
            raise ReportError(f"{where}: no codec is named")
        values = (line["bpp"], line[psnr], line.get("ms_ssim"), line.get("ms_ssim_db"))
        curves.setdefault(name, []).append(_point(where, *(value or None for value in values)))
        sources.setdefault(name, line.get("source") or "published")
    return [_curve(name, points, sources[name]) for name, points in curves.items()]


def _from_json(text: str, path: Path) -> list[Curve]:
    try:
        data = json.loads(text, object_pairs_hook=typed_json.unique, parse_int=float)  # no float is too long to be told
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: not JSON: {error}") from None
    return [_from_compressai(one, path) for one in (data if isinstance(data, list) else [data])]


def _from_compressai(data: Any, path: Path) -> Curve:
    try:
        name, results = str(data["name"]), data["results"]
        rates = list(results["bpp"])
        psnr = results.get("psnr-rgb") or results.get("psnr") or [None] * len(rates)
        ms_ssim = results.get("ms-ssim-rgb") or results.get("ms-ssim") or [None] * len(rates)
        lines = list(zip(rates, psnr, ms_ssim, strict=True))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise ReportError(f"{path}: not a CompressAI result file: {error!r}") from None
    points = [_point(f"{path}, {name}, entry {number}", *line) for number, line in enumerate(lines, 1)]
    return _curve(name, points, str(data.get("description") or path.name))


def _point(where: str, bpp: Any, psnr: Any, ms_ssim: Any, ms_ssim_db: Any = None) -> CurvePoint:
    rate = _number(where, "bpp", bpp)
    if rate is None or rate <= 0:
        raise ReportError(f"{where}: bpp is {shortened(bpp)}; a positive number is needed")
    similarity = _number(where, "ms_ssim", ms_ssim)
    if similarity is not None and not 0 <= similarity <= 1:
        raise ReportError(
            f"{where}: ms_ssim is {shortened(ms_ssim)}, outside 0..1; in decibels it belongs in a column ms_ssim_db"
        )
    decibels = _number(where, "ms_ssim_db", ms_ssim_db)
    if similarity is None and decibels is not None:
        if decibels < 0:
            raise ReportError(f"{where}: ms_ssim_db is {shortened(ms_ssim_db)}; -10 log10(1 - MS-SSIM) is 0 or more")
        similarity = from_quality(decibels, "similarity")
    return CurvePoint(rate, _number(where, "psnr", psnr), similarity)


def _number(where: str, name: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise ReportError(f"{where}: {name} is {shortened(value)}; a finite number is needed")
    return number


def _curve(name: str, points: Sequence[CurvePoint], source: str) -> Curve:
    return Curve(name, tuple(sorted(points, key=lambda point: point.bpp)), source)
