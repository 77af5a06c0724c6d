"""Operating points: where the anchor codec sets the rate."""

import math

from isorate.codecs.base import Knob
from isorate.engine.objective import LARGEST_QUALITY
from isorate.errors import UsageError
from isorate.metrics.registry import ALWAYS, metric, names
from isorate.runs.aim import SIZE
from isorate.runs.point import AnchorPoint
from isorate.verification.supplementary import paper_rates

PAPER = "paper"
RATES = (1e-6, 1e6)
"""Bits per pixel that a point may ask for: beyond any picture's, and within any arithmetic's."""


def parse_point(text: str, anchor: str, knob: Knob, *, pictures: bool = True, match: str = SIZE) -> AnchorPoint:
    """Return the point that ``KNOB=VALUE``, ``bpp=VALUE``, ``METRIC=VALUE`` or ``paper`` means for the anchor.

    Parameters
    ----------
    text, anchor, knob
        What a user wrote, and the anchor's name and knob.
    pictures
        Whether the run keeps the decoded pictures there.
    match
        What the run holds equal; where that is a metric, a point may be a value of it.

    Raises
    ------
    UsageError
        When it names another knob, or a value that the knob does not take.
    """
    if text == PAPER:
        if not paper_rates(anchor) or knob.default is None:
            raise UsageError(f"point {text!r}: the supplementary gives no rates for {anchor}")
        return AnchorPoint(name=f"{anchor}-paper", kind="paper", knob=knob.name, value=knob.default, pictures=pictures)
    key, equals, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not equals or math.isnan(value):
        more = "" if match == SIZE else f" or {match}=VALUE"
        raise UsageError(f"point {text!r}: give {knob.name}=VALUE or bpp=VALUE{more}, with a number for VALUE")
    if key == "bpp":
        _check_rate(text, value)
        return AnchorPoint(name=f"{anchor}-bpp{_written(value)}", kind="bpp", value=value, pictures=pictures)
    if match != SIZE and key == match:
        _check_quality(text, key, value)
        name = f"{anchor}-{key}{_written(value)}"
        return AnchorPoint(name=name, kind="quality", knob=key, value=value, pictures=pictures)
    if key in (*ALWAYS, *names()) and key != knob.name:
        raise UsageError(f"point {text!r}: a run is driven to a quality with --match {key}")
    _check_knob(text, key, value, anchor, knob)
    return AnchorPoint(name=f"{anchor}-{key}{_written(value)}", kind="knob", knob=key, value=value, pictures=pictures)


def check_point(point: AnchorPoint, anchor: str, knob: Knob, match: str = SIZE) -> None:
    """Raise unless the anchor can run at a point that a manifest holds.

    Raises
    ------
    UsageError
        When it is of another knob, of a value that the knob does not take, or of rates that nobody printed.
    """
    if point.kind == PAPER and not paper_rates(anchor):
        raise UsageError(f"point {point.name!r}: the supplementary gives no rates for {anchor}")
    if point.kind == "quality":
        if point.knob != match:
            raise UsageError(f"point {point.name!r}: a value of {point.knob!r}, and the run holds {match!r} equal")
        _check_quality(point.name, point.knob, point.value)
    elif point.kind != "bpp":
        _check_knob(point.name, point.knob, point.value, anchor, knob)
    else:
        _check_rate(point.name, point.value)


def _check_quality(point: str, metric_name: str, value: float) -> None:
    similarity = metric_name == "ms_ssim" or (metric_name not in ALWAYS and metric(metric_name).scale == "similarity")
    if similarity and not value < 1:
        raise UsageError(f"point {point!r}: {metric_name} takes a number below 1, that of identical pictures")
    if not 0 < value <= LARGEST_QUALITY:
        raise UsageError(f"point {point!r}: {metric_name} takes a number above 0, to {LARGEST_QUALITY:g}")


def _check_rate(point: str, value: float) -> None:
    if not RATES[0] <= value <= RATES[1]:
        raise UsageError(f"point {point!r}: bpp takes a number from {RATES[0]:g} to {RATES[1]:g}")


def _check_knob(point: str, name: str, value: float, anchor: str, knob: Knob) -> None:
    if name != knob.name:
        raise UsageError(f"point {point!r}: {anchor}'s knob is {knob.name!r}, not {name!r}")
    check_value(f"point {point!r}", value, knob)


def check_value(where: str, value: float, knob: Knob) -> None:
    """Raise unless the knob takes the value; `where` begins the message.

    Raises
    ------
    UsageError
        When it is out of the knob's range, no whole number where one is needed, or NaN.
    """
    if math.isnan(value) or knob.clip(value) != value:
        kind = "a whole number" if knob.integer else "a number"
        limits = f"from {_written(knob.low)} to {_written(knob.high)}"
        raise UsageError(f"{where}: {knob.name} takes {kind} {limits}, not {_written(value)}")


def rate_at(point: AnchorPoint, anchor: str, image: str) -> float | None:
    """Return the bpp that the anchor is driven to on `image`, or None where it runs at the point's knob value."""
    if point.kind == PAPER:
        return paper_rates(anchor).get(image)
    return point.value if point.kind == "bpp" else None


def _written(value: float) -> str:
    """Return the value with all its digits: two points of a run never share a name."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def default_points(anchor: str, knob: Knob, dataset: str) -> list[str]:
    """Return what the anchor runs at when nobody says: the supplementary's rates on Kodak, else the knob's default.

    Raises
    ------
    UsageError
        When the codec names no default.
    """
    if dataset == "kodak" and paper_rates(anchor) and knob.default is not None:
        return [PAPER]
    if knob.default is None:
        raise UsageError(
            f"{anchor} as anchor has no default operating point; give --point {knob.name}=VALUE or bpp=VALUE"
        )
    return [f"{knob.name}={_written(knob.default)}"]
