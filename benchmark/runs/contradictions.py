"""What a row says that cannot be true beside what else it says: readers believe each number by itself."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from isorate.metrics.base import Scale, on_line, quality

if TYPE_CHECKING:
    from isorate.runs.row import AtQuality, Neighbour, Row

NEAR = 1e-6
"""Relative: what rounding leaves, and far below what anybody reads."""
STEEP = 1e-4
"""Of the way from a file to its neighbour: what rounding leaves where the two are near each other."""
SCALES: dict[str, Scale] = {"psnr": "as it is", "ms_ssim": "similarity"}
"""Of what every run measures; of a further metric a row does not say how its gap is counted."""


def contradiction(row: "Row") -> str:
    """Return what of a good row contradicts its other fields, with both values; nothing where it is all of a piece."""
    if row.status != "ok":
        return ""
    problem = _of_size(row)
    if problem or (row.neighbour is None and row.quality is None and not row.equal_rate):
        return problem
    return next(_of_aim(row), "")


def _of_size(row: "Row") -> str:
    num_bytes, bpp, target = row.num_bytes, row.bpp, row.target_bpp
    pixels = row.width * row.height
    found = ""
    if num_bytes is None:
        found = "" if bpp is None else f"bpp is {bpp!r}, and num_bytes is null"
    elif not num_bytes or not pixels:
        found = f"num_bytes is {num_bytes} of {row.width} x {row.height} pixels, and status is 'ok'"
    elif row.header_bytes is not None and row.header_bytes > num_bytes:
        found = f"header_bytes is {row.header_bytes}, and num_bytes is {num_bytes}"
    elif bpp is not None:
        if not abs(bpp * pixels - 8 * num_bytes) <= NEAR * 8 * num_bytes:
            found = f"bpp is {bpp!r}, and {num_bytes} bytes of {row.width} x {row.height} pixels are {_bpp(row):.6g}"
        elif target is not None:
            found = _residual(row, bpp, target)
    return found


def _bpp(file: "Row", num_bytes: int | None = None) -> float:
    return 8 * (num_bytes or file.num_bytes or 0) / (file.width * file.height)


def _residual(row: "Row", bpp: float, target: float) -> str:
    said = row.residual_pct
    expected = 100 * (bpp / target - 1) if target else math.inf
    if said is not None and math.isfinite(expected) and abs(said - expected) <= NEAR * (100 + abs(expected)):
        return ""
    return f"residual_pct is {said!r}, and bpp {bpp!r} is {expected:+.6g} % off target_bpp {target!r}"


def _of_aim(row: "Row") -> Iterator[str]:
    """Yield what contradicts the rate or quality that was asked for, and the file beside it."""
    if row.quality is not None:
        if row.target_bpp is not None or row.residual_pct is not None or row.equal_rate:
            yield f"it has a rate that was asked for, and a quality in {row.quality.metric}"
        yield from _of_gap(row, row.quality)
    if row.neighbour is None or not row.num_bytes:
        if row.equal:
            yield f"it has values at {'an equal rate' if row.quality is None else 'an equal quality'}, and no neighbour"
        return
    yield from _of_sides(row, row.neighbour)
    for name, value in row.equal.items():
        if name == "bpp" and row.quality is not None:
            ends: tuple[float | None, float | None] = row.bpp, _bpp(row, row.neighbour.num_bytes)
        else:
            ends = row.value(name), row.neighbour.value(name)
        if value is not None and not _between(value, *ends):
            yield f"{name} is {value!r} between its files' {ends[0]!r} and {ends[1]!r}"
    yield from _of_line(row, row.neighbour)


def _of_gap(row: "Row", aim: "AtQuality") -> Iterator[str]:
    value = row.value(aim.metric)
    if aim.metric not in SCALES or value is None:
        return
    scale = SCALES[aim.metric]
    expected = quality(value, scale) - quality(aim.target, scale)
    if aim.gap is None:
        if math.isfinite(expected):
            yield f"quality.gap is null, and {aim.metric} {value!r} is {expected:+.6g} off its target {aim.target!r}"
    elif not abs(aim.gap - expected) <= NEAR * max(1.0, abs(expected)):
        yield f"quality.gap is {aim.gap!r}, and {aim.metric} {value!r} is {expected:+.6g} off its target {aim.target!r}"


def _of_sides(row: "Row", beside: "Neighbour") -> Iterator[str]:
    """Yield that both files lie on one side of what was asked for, where values in between are given."""
    if row.quality is None:
        if row.target_bpp is not None and not _between(row.target_bpp, _bpp(row), _bpp(row, beside.num_bytes)):
            yield (
                f"target_bpp is {row.target_bpp!r}, and not between the file's {row.num_bytes} bytes and its "
                f"neighbour's {beside.num_bytes}"
            )
    elif row.quality.equal:
        name, target = row.quality.metric, row.quality.target
        ends = row.value(name), beside.value(name)
        if not _between(target, *ends):
            yield f"quality.target is {target!r}, and not between its files' {name} {ends[0]!r} and {ends[1]!r}"


def _of_line(row: "Row", beside: "Neighbour") -> Iterator[str]:
    """Yield which value is not the one on the line between both files, where the row alone tells the line."""
    sizes = _bpp(row), _bpp(row, beside.num_bytes)
    if row.quality is None:
        names, share = list(SCALES), None
        if row.target_bpp and sizes[0] != sizes[1]:
            share = math.log(row.target_bpp / sizes[0]) / math.log(sizes[1] / sizes[0])
    else:
        names, share = ["bpp"], _share(row, beside, row.quality)
    for name in names if share is not None else ():
        ends = sizes if name == "bpp" else (row.value(name), beside.value(name))
        value = row.equal.get(name)
        if value is None or share is None or ends[0] is None or ends[1] is None:
            continue
        if name == "bpp":
            expected: float | None = math.exp((1 - share) * math.log(ends[0]) + share * math.log(ends[1]))
        else:
            expected = on_line(*ends, share, SCALES[name])
        if expected is not None and abs(value - expected) > NEAR * abs(expected) + STEEP * abs(ends[1] - ends[0]):
            yield f"{name} is {value!r}, and {expected:.9g} on the line between its files' {ends[0]!r} and {ends[1]!r}"


def _share(row: "Row", beside: "Neighbour", aim: "AtQuality") -> float | None:
    ends = row.value(aim.metric), beside.value(aim.metric)
    if aim.metric not in SCALES or ends[0] is None or ends[1] is None:
        return None
    one, other, at = (quality(value, SCALES[aim.metric]) for value in (ends[0], ends[1], aim.target))
    return None if one == other or not math.isfinite(other - one) else (at - one) / (other - one)


def _between(value: float, one: float | None, other: float | None) -> bool:
    if one is None or other is None or not (math.isfinite(one) and math.isfinite(other)):
        return False
    slack = NEAR * max(abs(one), abs(other))
    return min(one, other) - slack <= value <= max(one, other) + slack
