"""What a search for a size or a quality answers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from isorate.errors import MatchError
from isorate.image import Image

if TYPE_CHECKING:
    from isorate.matching.goal import QualityGoal


class Policy(StrEnum):
    """Which size counts as matched."""

    NEAREST = "nearest"
    AT_MOST = "at-most"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Probe:
    """One encode of the search.

    Attributes
    ----------
    knob, fine
        The knob's value, and the fine knob's if there is one.
    num_bytes
        The file's size.
    quality
        What its pixels measure, on a scale that rises with quality; None in a search for a size, which decodes nothing.
    """

    knob: float
    num_bytes: int
    fine: float | None = None
    quality: float | None = None

    @property
    def knobs(self) -> tuple[float, ...]:
        """The values to give to the codec's ``encode``."""
        return (self.knob,) if self.fine is None else (self.knob, self.fine)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ends with; the fields are those of :class:`Match`."""

    best: Probe
    trace: tuple[Probe, ...]
    unreachable: bool
    monotone: bool


@dataclass(frozen=True, slots=True)
class QualityMatch:
    """The outcome of a search for a quality.

    Attributes
    ----------
    target
        The quality that was asked for, on a scale that rises with it.
    best, trace, unreachable, monotone
        As in :class:`Match`, of qualities where those are of sizes.
    """

    target: float
    best: Probe
    trace: tuple[Probe, ...] = ()
    unreachable: bool = False
    monotone: bool = True

    @classmethod
    def of(cls, target: float, found: Found) -> "QualityMatch":
        """Return the outcome of a search for `target`."""
        return cls(target, found.best, found.trace, found.unreachable, found.monotone)

    @property
    def gap(self) -> float:
        """By how much the quality is above the target; infinite for a file without any error."""
        assert self.best.quality is not None
        return self.best.quality - self.target

    def checked(self, goal: "QualityGoal", knob: str) -> "QualityMatch":
        """Return the match, which ``strict`` refuses outside the tolerance; `knob` is what the message names.

        Raises
        ------
        MatchError
            When it does.
        """
        if goal.policy is Policy.STRICT and abs(self.gap) > goal.tolerance:
            raise MatchError(
                f"nearest quality at {knob} {self.best.knob:g} is {self.gap:+.3f} off the target {self.target:.3f}, "
                f"outside ±{goal.tolerance:g}"
            )
        return self


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

    @classmethod
    def of(cls, target: float, found: Found) -> "Match":
        """Return the outcome of a search for `target` bytes."""
        return cls(target, found.best, found.trace, found.unreachable, found.monotone)

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

    def probe(self, measure: Callable[[bytes], float], *knobs: float) -> tuple[int, float]:
        """Return the size of the file at `knobs`, and what `measure` says of it."""
        return self.size(*knobs), measure(self[knobs])
