"""What a search over a knob is after: a file's size, or what its pixels measure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from isorate.errors import MatchError
from isorate.matching.outcome import Policy, Probe

COARSE_TOLERANCE_PCT = 30.0
"""How near the coarse of two knobs must bring the size: from there the fine one has the range, and costs less."""
FLAWLESS = 60.0
"""How far above its target the model of a curve puts a file without any error, whose quality is infinite."""
DB_PER_DOUBLING = 3.0
"""What a decibel scale gains about when the rate doubles: BPG's means on Kodak from 0.07 to 1.2 bits per pixel."""
POINTS_PER_DOUBLING = 15.0
"""The same for scales of about 100 points, such as VMAF's and SSIMULACRA 2's."""
MIDDLE_BPP = 0.5
"""Where a search begins that is not told a rate."""


class Goal(Protocol):
    """A target, and the scale on which a probe is held against it: rising with the file size."""

    trend: ClassVar[float]
    """How much of a trend that was measured goes on beyond the probes: the rest is the typical curve's."""

    @property
    def target(self) -> float:
        """The value that is asked for."""

    def value(self, probe: Probe) -> float:
        """Return what is held against the target."""

    @property
    def height(self) -> float:
        """The target on the scale of :meth:`heights`."""

    def heights(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return values as they are nearly linear in a knob's own scale."""

    def typical(self, bpp: Sequence[float], num_pixels: int) -> NDArray[np.float64]:
        """Return the heights that an ordinary picture has at these rates."""

    def met(self, value: float, *, integer: bool) -> bool:
        """Whether no other probe is needed; for a whole-number knob only an exact hit ends the search."""

    def best(self, probes: Sequence[Probe], position: Callable[[Probe], float]) -> Probe:
        """Return the probe that the policy prefers; `position` rises with the expected file size."""

    def coarse(self) -> "Goal":
        """Return the goal of the coarse of two knobs."""


@dataclass(frozen=True, slots=True)
class SizeGoal:
    """A file size.

    Attributes
    ----------
    target
        Bytes, above 0.
    tolerance_pct, policy
        See :func:`isorate.matching.search.match_size`.
    """

    trend: ClassVar[float] = 0.7

    target: float
    tolerance_pct: float
    policy: Policy

    def value(self, probe: Probe) -> float:
        """Return the file's bytes."""
        return probe.num_bytes

    @property
    def height(self) -> float:
        """The logarithm of the target."""
        return math.log(self.target)

    def heights(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return the logarithms of sizes."""
        return np.asarray(np.log(values))

    def typical(self, bpp: Sequence[float], num_pixels: int) -> NDArray[np.float64]:
        """Return the logarithms of the sizes at these rates."""
        return np.array([math.log(rate * num_pixels / 8) for rate in bpp])

    def met(self, value: float, *, integer: bool) -> bool:
        """Whether a size is inside the tolerance, on the side that the policy allows."""
        if integer or value == self.target:
            return value == self.target
        tolerance, share = self.tolerance_pct / 100, value / self.target - 1
        return -tolerance <= share <= (0 if self.policy is Policy.AT_MOST else tolerance)

    def best(self, probes: Sequence[Probe], position: Callable[[Probe], float]) -> Probe:
        """Return the nearest in log size, or the largest that is not above the target."""
        if self.policy is Policy.AT_MOST:
            fitting = [p for p in probes if p.num_bytes <= self.target]
            if fitting:
                return max(fitting, key=lambda p: (p.num_bytes, position(p)))
        return min(probes, key=lambda p: (abs(math.log(p.num_bytes / self.target)), position(p)))

    def check(self) -> None:
        """Refuse what no file can have.

        Raises
        ------
        MatchError
            When the target is not a positive number.
        """
        if not (math.isfinite(self.target) and self.target > 0):
            raise MatchError(f"target of {self.target} bytes: a positive number is needed")

    def coarse(self) -> "SizeGoal":
        """Return the same size, within :data:`COARSE_TOLERANCE_PCT`."""
        return SizeGoal(self.target, max(COARSE_TOLERANCE_PCT, self.tolerance_pct), Policy.NEAREST)


@dataclass(frozen=True, slots=True)
class QualityGoal:
    """A quality, on a scale that rises with it (:func:`isorate.metrics.base.quality`).

    Attributes
    ----------
    target
        The quality, finite.
    tolerance
        A gap up to this, either way, counts as matched; above 0, in the scale's unit.
    policy
        ``nearest``, or ``strict``.
    start_bpp
        The rate at which the quality is expected: the anchor's, where it is an anchor's quality.
    per_doubling
        What the scale gains about when the rate doubles. A wrong guess costs probes, never the result.
    """

    trend: ClassVar[float] = 1.0

    target: float
    tolerance: float
    policy: Policy = Policy.NEAREST
    start_bpp: float = MIDDLE_BPP
    per_doubling: float = DB_PER_DOUBLING

    def value(self, probe: Probe) -> float:
        """Return the quality of the file's pixels."""
        assert probe.quality is not None
        return probe.quality

    @property
    def height(self) -> float:
        """The target."""
        return self.target

    def heights(self, values: Sequence[float]) -> NDArray[np.float64]:
        """Return qualities, finite ones for infinite ones."""
        return np.minimum(values, self.target + FLAWLESS)

    def typical(self, bpp: Sequence[float], num_pixels: int) -> NDArray[np.float64]:
        """Return the target at `start_bpp`, and `per_doubling` more for each doubling."""
        return np.array([self.target + self.per_doubling * math.log2(rate / self.start_bpp) for rate in bpp])

    def met(self, value: float, *, integer: bool) -> bool:
        """Whether a quality is inside the tolerance."""
        return value == self.target if integer else abs(value - self.target) <= self.tolerance

    def best(self, probes: Sequence[Probe], position: Callable[[Probe], float]) -> Probe:
        """Return the nearest; of equally near ones the smallest file."""
        return min(probes, key=lambda p: (abs(self.value(p) - self.target), p.num_bytes, position(p)))

    def check(self) -> None:
        """Refuse what no file can be driven to.

        Raises
        ------
        MatchError
            When the target is not finite, or the policy is one of sizes.
        """
        if not math.isfinite(self.target):
            raise MatchError(f"target of a quality of {self.target}: a finite number is needed")
        if self.policy is Policy.AT_MOST:
            raise MatchError("policy at-most is of sizes; a quality is matched by nearest or strict")

    def coarse(self) -> "QualityGoal":
        """Return the same quality, within what :data:`COARSE_TOLERANCE_PCT` of the rate is about worth."""
        about = self.per_doubling * math.log2(1 + COARSE_TOLERANCE_PCT / 100)
        return replace(self, tolerance=max(about, self.tolerance), policy=Policy.NEAREST)
