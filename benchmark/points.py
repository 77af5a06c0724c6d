"""Operating points: where the anchor codec sets the rate."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from isorate.codecs.base import Knob
from isorate.errors import UsageError

PAPER = "paper"


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point of the anchor.

    Attributes
    ----------
    kind
        ``knob`` (the anchor runs at `value`), ``bpp`` (the anchor is driven to `value` bits per pixel), or ``paper``
        (the anchor runs at the supplementary's value for each image, `value` for an image that has none there).
    value
        See `kind`.
    name
        Unique in a run: ``bpg-qp37``, ``jpeg-bpp0.2``, ``bpg-paper``.
    """

    kind: str
    value: float
    name: str

    @classmethod
    def parse(cls, text: str, anchor: str, knob: Knob) -> "Point":
        """Return the point that ``KNOB=VALUE``, ``bpp=VALUE`` or ``paper`` means for the anchor.

        Raises
        ------
        UsageError
            When it names another knob, or a value that the knob does not take.
        """
        if text == PAPER:
            table = paper_knobs(anchor)
            if not table:
                raise UsageError(f"point {text!r}: the supplementary gives no values for {anchor}")
            return cls("paper", table["default"], f"{anchor}-paper")
        key, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or not value > 0:
            raise UsageError(f"point {text!r}: give {knob.name}=VALUE or bpp=VALUE, with VALUE above 0")
        if key == "bpp":
            return cls("bpp", value, f"{anchor}-bpp{value:g}")
        if key != knob.name:
            raise UsageError(f"point {text!r}: {anchor}'s knob is {knob.name!r}, not {key!r}")
        if knob.clip(value) != value:
            kind = "a whole number" if knob.integer else "a number"
            raise UsageError(f"point {text!r}: {knob.name} takes {kind} from {knob.low:g} to {knob.high:g}")
        return cls("knob", value, f"{anchor}-{knob.name}{value:g}")

    def knob_for(self, anchor: str, image: str) -> float:
        """Return the anchor's knob value on `image`, for a point of kind ``knob`` or ``paper``."""
        return paper_knobs(anchor).get(image, self.value) if self.kind == "paper" else self.value


def default_points(anchor: str, knob: Knob, dataset: str) -> list[str]:
    """Return what the anchor runs at when nobody says: the supplementary's values on Kodak, else the knob's default.

    Raises
    ------
    UsageError
        When the codec names no default.
    """
    if dataset == "kodak" and paper_knobs(anchor):
        return [PAPER]
    if knob.default is None:
        raise UsageError(
            f"{anchor} as anchor has no default operating point; give --point {knob.name}=VALUE or bpp=VALUE"
        )
    return [f"{knob.name}={knob.default:g}"]


@cache
def _tables() -> dict[str, dict[str, float]]:
    return tomllib.loads(files("isorate").joinpath("paper_points.toml").read_text(encoding="utf-8"))


def paper_knobs(anchor: str) -> dict[str, float]:
    """Return the supplementary's knob value by image, and ``default``; empty for a codec that it says nothing of."""
    return _tables().get(anchor.partition(":")[0], {})
