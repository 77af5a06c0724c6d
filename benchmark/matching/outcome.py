"""What a search for a size is asked for, and what it answers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from isorate.errors import MatchError
from isorate.image import Image


class Policy(StrEnum):
    """Which size counts as matched."""

    NEAREST = "nearest"
    AT_MOST = "at-most"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Probe:
    """One encode of the search: the knob's value, the file's size in bytes, and a fine knob's value if there is one."""

    knob: float
    num_bytes: int
    fine: float | None = None

    @property
    def knobs(self) -> tuple[float, ...]:
        """The values to give to the codec's ``encode``."""
        return (self.knob,) if self.fine is None else (self.knob, self.fine)


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome of a search.

    Attributes
    ----------
    target
        Bytes that were asked for (a real number: a target in bpp seldom is whole).
    best
        The probe that the policy prefers; never simply the last.
    trace
        All probes in order.
    unreachable
        Every size the knob can give is above, or every one is below the target.
    monotone
        False when a probe contradicted the knob's direction.
    passes
        What the search cost in a codec's own unit (the learned codec's network passes), if it counts one.
    """

    target: float
    best: Probe
    trace: tuple[Probe, ...] = ()
    unreachable: bool = False
    monotone: bool = True
    passes: int | None = None

    @property
    def residual_pct(self) -> float:
        """``100 * (size / target - 1)``."""
        return 100 * (self.best.num_bytes / self.target - 1)

    def within(self, tolerance_pct: float, policy: Policy) -> bool:
        """Whether the residual is inside the tolerance, on the side that `policy` allows."""
        return -tolerance_pct <= self.residual_pct <= (0.0 if policy is Policy.AT_MOST else tolerance_pct)

    def rank(self, policy: Policy) -> tuple[bool, float]:
        """Return what is smallest for the size that `policy` prefers."""
        above = policy is Policy.AT_MOST and self.best.num_bytes > self.target
        return above, abs(math.log(self.best.num_bytes / self.target))

    def require_within(self, tolerance_pct: float, knob: str, value: float) -> None:
        """Refuse a residual outside the tolerance; `knob` and `value` are what the message names.

        Raises
        ------
        MatchError
            When it is outside.
        """
        if abs(self.residual_pct) > tolerance_pct:
            raise MatchError(
                f"nearest size {self.best.num_bytes} bytes at {knob} {value:g} is {self.residual_pct:+.2f} % off the "
                f"target {self.target:.0f}, outside ±{tolerance_pct:g} %"
            )


class Files(dict[tuple[float, ...], bytes]):
    """The files of one image that a search made, by their knobs."""

    def __init__(self, encode: Callable[..., bytes], image: Image) -> None:
        super().__init__()
        self._encode, self._image = encode, image

    def size(self, *knobs: float) -> int:
        """Return the size in bytes of the file at `knobs`, encoded the first time."""
        if knobs not in self:
            self[knobs] = self._encode(self._image, *knobs)
        return len(self[knobs])
