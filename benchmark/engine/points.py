"""Operating points: where the anchor codec sets the rate."""

from dataclasses import dataclass

from isorate.codecs.base import Knob
from isorate.errors import UsageError
from isorate.verification.supplementary import paper_rates

PAPER = "paper"


@dataclass(frozen=True, slots=True)
class AnchorPoint:
    """One operating point of the anchor.

    Attributes
    ----------
    kind
        ``knob`` (the anchor runs at `value`), ``bpp`` (the anchor is driven to `value` bits per pixel), or ``paper``
        (the anchor is driven to the rate that the supplementary prints for the image; it runs at `value` on an image
        that is not in it).
    value
        See `kind`.
    name
        Unique in a run: ``bpg-qp37``, ``jpeg-bpp0.2``, ``bpg-paper``.
    """

    kind: str
    value: float
    name: str

    @classmethod
    def parse(cls, text: str, anchor: str, knob: Knob) -> "AnchorPoint":
        """Return the point that ``KNOB=VALUE``, ``bpp=VALUE`` or ``paper`` means for the anchor.

        Raises
        ------
        UsageError
            When it names another knob, or a value that the knob does not take.
        """
        if text == PAPER:
            if not paper_rates(anchor) or knob.default is None:
                raise UsageError(f"point {text!r}: the supplementary gives no rates for {anchor}")
            return cls("paper", knob.default, f"{anchor}-paper")
        key, equals, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not equals or not value > 0:
            raise UsageError(f"point {text!r}: give {knob.name}=VALUE or bpp=VALUE, with VALUE above 0")
        if key == "bpp":
            return cls("bpp", value, f"{anchor}-bpp{_written(value)}")
        if key != knob.name:
            raise UsageError(f"point {text!r}: {anchor}'s knob is {knob.name!r}, not {key!r}")
        if knob.clip(value) != value:
            kind = "a whole number" if knob.integer else "a number"
            raise UsageError(f"point {text!r}: {knob.name} takes {kind} from {knob.low:g} to {knob.high:g}")
        return cls("knob", value, f"{anchor}-{knob.name}{_written(value)}")

    def rate(self, anchor: str, image: str) -> float | None:
        """Return the bpp that the anchor is driven to on `image`, or None where it runs at the knob value `value`."""
        if self.kind == "paper":
            return paper_rates(anchor).get(image)
        return self.value if self.kind == "bpp" else None


def _written(value: float) -> str:
    """Return the value with all its digits: a point's name is what `isorate reproduce` has of it."""
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
    return [f"{knob.name}={knob.default:g}"]
