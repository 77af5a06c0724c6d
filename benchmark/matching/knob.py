"""A rate knob and what is known of its curve before anything is encoded."""

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class Knob:
    """A rate knob: the number that a codec's user turns to change the file size.

    Attributes
    ----------
    name
        The field's term: ``quality``, ``qp``, ``cratio``, ``lmbda``, ``bin_size``.
    low, high
        The range, both ends included.
    integer
        Whether only whole numbers are accepted.
    rising
        Whether a larger value gives a larger file.
    log
        Whether log rate is closer to linear in the knob's logarithm than in the knob itself.
    default
        The operating point when the codec is the anchor and none is given.
    typical
        ``(knob, bpp)`` points of an ordinary photograph's rate curve, knob ascending. The matcher starts from
        this curve and bends it to what it measures; a wrong curve costs probes, never accuracy.
    """

    name: str
    low: float
    high: float
    integer: bool
    rising: bool
    log: bool = True
    default: float | None = None
    typical: tuple[tuple[float, float], ...] = ()

    def problem(self) -> str:
        """Return why no search could use the knob, or nothing."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            return f"its range {self.low:g}..{self.high:g} is empty or endless"
        if self.log and self.low <= 0:
            return f"it has log = True and begins at {self.low:g}, which has no logarithm"
        if self.default is not None and (math.isnan(self.default) or self.clip(self.default) != self.default):
            return f"its default {self.default:g} is none of its values"
        return ""

    def clip(self, value: float) -> float:
        """Return the accepted value nearest to `value`."""
        value = min(max(value, self.low), self.high)
        return float(round(value)) if self.integer else value

    def typical_bpp(self, value: float) -> float:
        """Return the rate at `value` on `typical`, interpolated in log rate; the nearest end's outside of it."""
        at, bpp = np.array(self.typical).T
        x, places = (np.log(value), np.log(at)) if self.log else (value, at)
        return float(np.exp(np.interp(x, places, np.log(bpp))))

    def through(self, value: float, bpp: float) -> "Knob":
        """Return the knob with `typical` scaled to give `bpp` at `value`; as it is without such a curve."""
        if not self.typical:
            return self
        factor = bpp / self.typical_bpp(value)
        return replace(self, typical=tuple((at, rate * factor) for at, rate in self.typical))
