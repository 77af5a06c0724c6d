"""The comparison of two runs as text, as HTML and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from isorate.pictures.names import printable
from isorate.reports.bdrate import BDRate
from isorate.reports.cells import gap_text
from isorate.reports.compare_runs import ClassChange, CodecChange, Pair, RunsCompared
from isorate.reports.summary import Interval, some_names
from isorate.reports.templating import environment
from isorate.reports.text import DASH, INTERPOLATED, number
from isorate.runs.aim import SIZE

HEAD = (
    "codec",
    "images",
    "cells",
    "size %",
    "ΔPSNR dB (95 %)",
    "cells won",
    "ΔMS-SSIM (95 %)",
    "cells won",
    "BD-rate PSNR",
    "BD-rate MS-SSIM",
)
CELL_HEAD = ("image", "point", "bytes A", "B", "size %", "PSNR A", "B", "ΔPSNR dB", "MS-SSIM A", "B")
PSNR_CHANGE = CELL_HEAD.index("ΔPSNR dB")
SIZE_CHANGE = CELL_HEAD.index("size %")


def _head(compared: RunsCompared) -> list[str]:
    """Return the table's head: three columns more for each further metric."""
    more = next((change.metrics for change in compared.codecs), {}).values()
    extra = ((f"Δ{some.label} (95 %)", "cells won", f"BD-rate {some.label}") for some in more)
    head = (
        HEAD if compared.held == SIZE else [f"bytes % at equal {compared.held}" if t == "size %" else t for t in HEAD]
    )
    return [*head, *(title for titles in extra for title in titles)]


def _cells(change: CodecChange) -> list[str]:
    more = [
        (_interval(some.difference, some.digits, change.images), _share(some.wins), _rate(some.bd))
        for some in change.metrics.values()
    ]
    return [
        change.label,
        str(change.images),
        str(len(change.pairs)),
        number(change.rate_pct, 2, sign=True),
        _interval(change.psnr, 3, change.images),
        _share(change.wins_psnr),
        _interval(change.ms_ssim, 5, change.images),
        _share(change.wins_ms_ssim),
        _rate(change.bd_psnr),
        _rate(change.bd_ms_ssim),
        *(cell for cells in more for cell in cells),
    ]


def _interval(interval: Interval | None, digits: int, images: int) -> str:
    """Return a mean difference with its interval, and over how many images it is where that is not all of them."""
    if interval is None:
        return DASH
    count = "" if interval.count == images else f", n = {interval.count}"
    return gap_text(interval, digits) + count


def _share(share: float | None) -> str:
    return DASH if share is None else f"{share:.0%}"


def _rate(rate: BDRate) -> str:
    return DASH if rate.percent is None else f"{number(rate.percent, 2, sign=True)} %"


def notes(compared: RunsCompared) -> list[str]:
    """Return what a reader must know besides the table."""
    found = [
        f"A is {compared.first}, B is {compared.second}; differences are B minus A, a negative BD-rate favours B. "
        "Differences and their intervals are over the images, of each its mean over its cells."
    ]
    if reasons := [change.bd_psnr.reason for change in compared.codecs if change.bd_psnr.reason]:
        found.append(f"No BD-rate: {'. '.join(dict.fromkeys(reasons))}.")
    found += _held(compared)
    for change in compared.codecs:
        if change.other_rate:
            found.append(
                f"{change.label}: {change.other_rate} of {len(change.pairs)} cells differ in file size by more than "
                "0.5 %; part of their difference is rate."
            )
        if change.interpolated:
            found.append(
                f"{change.label}: {change.interpolated} of {len(change.pairs)} cells differ in file size by more than "
                "0.5 % and are compared at one size (≈): one run has files on both sides of the other's, and its "
                "quality is interpolated between them."
            )
        if any(change.failed):
            found.append(f"{change.label}: {change.failed[0]} cells failed in A, {change.failed[1]} in B.")
        found += _fewer_images(change)
    for side, unfinished in zip((compared.first, compared.second), compared.unfinished, strict=True):
        if unfinished:
            found.append(f"{side} is {unfinished}.")
    for side, missing in ((compared.first, compared.only_first), (compared.second, compared.only_second)):
        if missing:
            found.append(f"{len(missing)} cells are in {side} only; the first: {missing[0]}.")
    if compared.different_images:
        found.append(f"Other pictures under the same name, not compared: {', '.join(compared.different_images)}.")
    if compared.versions:
        found.append(f"Recorded differences: {'; '.join(compared.versions)}.")
    return found


def _fewer_images(change: CodecChange) -> list[str]:
    """Return over which images a codec's BD-rates are, where these are not all."""
    rates = {"PSNR": change.bd_psnr, "MS-SSIM": change.bd_ms_ssim}
    rates |= {some.label: some.bd for some in change.metrics.values()}
    metrics: dict[tuple[str, ...], list[str]] = {}
    for label, rate in rates.items():
        if rate.percent is not None and rate.left_out:
            metrics.setdefault(rate.left_out, []).append(label)
    count = change.images_in_both
    return [
        f"{change.label}: BD-rate {', '.join(labels)} over {count - len(names)} of {count} images, without "
        f"{some_names(names)}, on which it failed or has no finite value in A or B."
        for names, labels in metrics.items()
    ]


def _held(compared: RunsCompared) -> list[str]:
    """Return what to know of two runs that hold a quality equal."""
    if compared.held == SIZE:
        return []
    found = [f"Both hold {compared.held} equal: fewer bytes are better, and so marked."]
    if compared.other_targets:
        found.append(
            f"{compared.other_targets} cells were driven to another {compared.held} in B, since the anchor has another "
            "there; part of their difference in bytes is that."
        )
    return found


def text(compared: RunsCompared) -> str:
    """Return the comparison for a terminal."""
    lines = _aligned(_head(compared), compared.codecs)
    for some in compared.classes:
        lines += ["", _class_title(some), *_aligned(_head(compared), some.codecs)]
    return "\n".join(map(printable, [*lines, "", *notes(compared)])) + "\n"


def _class_title(some: ClassChange) -> str:
    return f"{printable(some.name)}: {some.images} image{'' if some.images == 1 else 's'}"


def _aligned(head: list[str], codecs: Sequence[CodecChange]) -> list[str]:
    rows = [head, *(_cells(change) for change in codecs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))])
        for first, *cells in rows
    ]


def html(compared: RunsCompared) -> str:
    """Return the comparison as one HTML file: the means, and every cell."""
    template = environment().get_template("compare.html.j2")
    return template.render(
        title=f"{compared.second} against {compared.first}",
        head=_head(compared),
        means=[_cells(change) for change in compared.codecs],
        classes=[(_class_title(some), [_cells(change) for change in some.codecs]) for some in compared.classes],
        notes=notes(compared),
        cell_head=CELL_HEAD,
        codecs=[(change.label, [_pair_cells(pair) for pair in change.pairs]) for change in compared.codecs],
        marked=PSNR_CHANGE if compared.held == SIZE else SIZE_CHANGE,
        smaller=compared.held != SIZE,
    )


def _pair_cells(pair: Pair) -> list[str]:
    return [
        pair.first.image,
        pair.first.point,
        str(pair.first.num_bytes),
        str(pair.second.num_bytes),
        number(pair.rate_pct, 2, sign=True),
        number(pair.first.psnr, 4),
        number(pair.second.psnr, 4),
        _difference(*pair.psnr) + (f" {INTERPOLATED.strip()}" if pair.between else ""),
        number(pair.first.ms_ssim, 4),
        number(pair.second.ms_ssim, 4),
    ]


def _difference(second: float | None, first: float | None) -> str:
    if first is None or second is None:
        return DASH
    return number(0.0 if first == second else second - first, 4, sign=True)


def to_json(compared: RunsCompared) -> str:
    """Return the comparison as JSON: the means, and each cell's place and differences."""
    codecs = []
    for change in compared.codecs:
        data = _means(change)
        data["cells"] = [
            {"image": p.first.image, "point": p.first.point, "rate_pct": p.rate_pct,
             "psnr": _difference_value(*p.psnr), "ms_ssim": _difference_value(*p.ms_ssim),
             "interpolated": p.between is not None}
            for p in change.pairs
        ]  # fmt: skip
        codecs.append(data)
    data = {
        "first": compared.first, "second": compared.second, "codecs": codecs, "only_first": compared.only_first,
        "only_second": compared.only_second, "different_images": compared.different_images,
        "versions": compared.versions,
        "unfinished": [side and asdict(side) for side in compared.unfinished],
        **({} if compared.held == SIZE else {"held": compared.held, "other_targets": compared.other_targets}),
    }  # fmt: skip
    if compared.classes:
        data["classes"] = [
            {"class": some.name, "images": some.images, "codecs": [_means(change) for change in some.codecs]}
            for some in compared.classes
        ]
    return json.dumps(_finite(data), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _means(change: CodecChange) -> dict[str, Any]:
    """Return all but the pairs, which may be very many."""
    data = asdict(replace(change, pairs=()))
    del data["pairs"]
    return data


def _difference_value(second: float | None, first: float | None) -> float | None:
    if first is None or second is None or first == second:
        return None if first is None or second is None else 0.0
    change = second - first
    return change if abs(change) != float("inf") else None


def _finite(value: Any) -> Any:
    """Return `value` with None in place of what strict JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _finite(some) for key, some in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(some) for some in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
