"""Driving a codec's rate knob to a target: the same file size, or the same quality, for every codec.

The search works in log rate, or on the quality's scale, against the knob (or its logarithm). It keeps a model of the
image's curve, the codec's typical curve bent through every probe so far, and probes where that model meets the target.
A probe always falls strictly inside the bracket of what is known, so that a wrong model costs probes, never the result.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from isorate.matching.goal import Goal, QualityGoal, SizeGoal
from isorate.matching.knob import Knob
from isorate.matching.outcome import Found, Match, Policy, Probe, QualityMatch

MAX_PROBES = 24
INSIDE = 0.02
"""How far inside the bracket a probe stays, as a share of it: a model that hugs one end would never close it. Where
nothing encloses the target, the share of the range within which the best value is not looked for any nearer."""
FINEST = 1e-5
"""A bracket narrower than this (relative, in the knob's own scale) holds no further size: a plateau's edge."""
PLAIN_SPAN = (0.05, 8.0)
"""The rates in bpp at the ends of a knob that says nothing of its typical curve."""
SLOW = 0.5
"""When two probes together have not halved the bracket, the next one bisects it."""


def match_size(
    probe: Callable[[float], int],
    knob: Knob,
    target: float,
    *,
    num_pixels: int,
    tolerance_pct: float = 0.5,
    policy: Policy = Policy.NEAREST,
    max_probes: int = MAX_PROBES,
    known: Sequence[Probe] = (),
) -> Match:
    """Return the knob value whose file size is nearest to `target`.

    An integer knob is searched until two neighbouring values enclose the target, which proves the nearest for sizes
    that are monotone in the knob. A continuous knob is searched until the residual is inside the tolerance, or until
    the bracket holds no further size.

    Parameters
    ----------
    probe
        Encodes at a knob value and returns the file's size in bytes, at least 1.
    knob
        The rate knob.
    target
        Bytes, above 0.
    num_pixels
        Pixels of the image; scales the knob's typical curve.
    tolerance_pct
        A residual up to this, in percent either way, counts as matched.
    policy
        ``nearest`` in log rate; ``at-most``: the largest size not above the target; ``strict``: nearest, but an
        error outside the tolerance.
    max_probes
        Encodes to spend at most.
    known
        Probes made earlier on the same image; they cost nothing and are not in the trace.

    Raises
    ------
    MatchError
        Under ``strict`` when the nearest is outside the tolerance, or when `target` is not a positive number.
    """
    goal = SizeGoal(target, tolerance_pct, policy)
    goal.check()
    found = search(
        lambda value: Probe(value, probe(value)), knob, goal, num_pixels=num_pixels, max_probes=max_probes, known=known
    )
    match = Match.of(target, found)
    if policy is Policy.STRICT:
        match.require_within(tolerance_pct, knob.name, found.best.knob)
    return match


def match_quality(
    probe: Callable[[float], tuple[int, float]],
    knob: Knob,
    goal: QualityGoal,
    *,
    num_pixels: int,
    max_probes: int = MAX_PROBES,
) -> QualityMatch:
    """Return the knob value whose file is nearest to a quality: :func:`match_size` with another objective.

    Parameters
    ----------
    probe
        Encodes at a knob value and returns the file's size in bytes and the quality of its pixels, on the goal's scale.
    knob
        The rate knob.
    goal
        What is asked for.
    num_pixels, max_probes
        As for :func:`match_size`.

    Raises
    ------
    MatchError
        Under ``strict`` when the nearest is outside the tolerance, or when the target is not finite.
    """
    goal.check()

    def probed(value: float) -> Probe:
        num_bytes, quality = probe(value)
        return Probe(value, num_bytes, quality=quality)

    found = search(probed, knob, goal, num_pixels=num_pixels, max_probes=max_probes)
    return QualityMatch.of(goal.target, found).checked(goal, knob.name)


def search(
    probe: Callable[[float], Probe],
    knob: Knob,
    goal: Goal,
    *,
    num_pixels: int,
    max_probes: int = MAX_PROBES,
    known: Sequence[Probe] = (),
) -> Found:
    """Return the probe that `goal` prefers, and how it was found; see :func:`match_size`."""
    state = _Search(probe, knob, goal, num_pixels, known)
    state.go_on(max_probes)
    if knob.integer and not state.monotone:
        state.probe_neighbours()
    while not (knob.integer or state.monotone or state.enclosed()) and state.probe_between(max_probes):
        state.go_on(max_probes)
    return Found(state.best(), tuple(state.trace), state.unreachable(), state.monotone)


class _Search:
    """The state of one search. Positions `x` ascend with the size, whatever the knob's direction."""

    def __init__(
        self, probe: Callable[[float], Probe], knob: Knob, goal: Goal, num_pixels: int, known: Sequence[Probe]
    ) -> None:
        self.encode, self.knob, self.goal = probe, knob, goal
        self.probes = {p.knob: p for p in known}
        self.trace: list[Probe] = []
        self.monotone = True
        self.sign = 1 if knob.rising else -1
        ends = sorted((self.to_x(knob.low), self.to_x(knob.high)))
        self.low_x, self.high_x = ends
        span = PLAIN_SPAN if knob.rising else PLAIN_SPAN[::-1]
        typical = knob.typical or tuple(zip((knob.low, knob.high), span, strict=True))
        points = sorted((self.to_x(at), bpp) for at, bpp in typical)
        self.typical_x = np.array([x for x, _ in points])
        self.typical_y = goal.typical([bpp for _, bpp in points], num_pixels)
        self.widths: list[float] = []

    def to_x(self, value: float) -> float:
        return self.sign * (math.log(value) if self.knob.log else value)

    def to_knob(self, x: float) -> float:
        return self.knob.clip(math.exp(self.sign * x) if self.knob.log else self.sign * x)

    def points(self) -> list[tuple[float, float]]:
        """Return positions and values of the probes, from the smallest file that is expected on."""
        return sorted((self.to_x(value), self.goal.value(probe)) for value, probe in self.probes.items())

    def bracket(self) -> tuple[float, float, bool, bool]:
        """Return the enclosing positions, and whether each of them was probed (and not just the knob's end)."""
        below = [x for x, value in self.points() if value <= self.goal.target]
        above = [x for x, value in self.points() if value > self.goal.target]
        low = max(below, default=self.low_x)
        high = min((x for x in above if x > low), default=None)
        if high is None:
            # every larger position is not above the target: either none was probed, or the sizes are not monotone
            high = self.high_x
            if above:
                high = min(above)
                low = max((x for x in below if x < high), default=self.low_x)
        return low, high, low in below, high in above

    def enclosed(self) -> bool:
        _, _, has_low, has_high = self.bracket()
        return has_low and has_high

    def go_on(self, max_probes: int) -> None:
        while len(self.trace) < max_probes and not self.done():
            self.step()

    def done(self) -> bool:
        if not self.probes:
            return False
        if self.goal.met(self.goal.value(self.best()), integer=self.knob.integer):
            return True
        low, high, has_low, has_high = self.bracket()
        if has_low and has_high:
            if self.knob.integer:
                return abs(self.to_knob(high) - self.to_knob(low)) <= 1
            return high - low <= FINEST * (self.high_x - self.low_x)
        return self.at_an_end()

    def unreachable(self) -> bool:
        """Whether no value reaches the target; not known where a probe contradicts the knob's direction."""
        return self.monotone and self.at_an_end()

    def at_an_end(self) -> bool:
        smallest, largest = self.to_knob(self.low_x), self.to_knob(self.high_x)
        values = [self.goal.value(probe) for probe in self.probes.values()]
        return (smallest in self.probes and min(values) > self.goal.target) or (
            largest in self.probes and max(values) < self.goal.target
        )

    def step(self) -> None:
        low, high, has_low, has_high = self.bracket()
        value = self.to_knob(self.aim(low, high, has_low, has_high))
        if value in self.probes:
            value = self.fresh(low, high)
        self.spend(value)

    def spend(self, value: float) -> None:
        probe = self.encode(value)
        self.trace.append(probe)
        self.probes[value] = probe
        ordered = [s for _, s in self.points()]
        self.monotone = ordered == sorted(ordered)

    def aim(self, low: float, high: float, has_low: bool, has_high: bool) -> float:
        x = self.model_root(low, high)
        if has_low and has_high:
            width = high - low
            self.widths.append(width)
            if len(self.widths) > 2 and width > SLOW * self.widths[-3]:
                return (low + high) / 2
            if self.knob.integer:
                return x
            return min(max(x, low + INSIDE * width), high - INSIDE * width)
        return x

    def fresh(self, low: float, high: float) -> float:
        """Return an unprobed value inside the bracket, for when the model points at a known one."""
        if self.knob.integer:
            inside = [
                float(k) for k in range(int(self.knob.low), int(self.knob.high) + 1) if float(k) not in self.probes
            ]
            root = self.model_root(low, high)
            between = [k for k in inside if low <= self.to_x(k) <= high]
            return min(between or inside, key=lambda k: abs(self.to_x(k) - root))
        ends = [x for x in (low, high) if self.to_knob(x) not in self.probes]
        return self.to_knob(ends[0]) if ends else self.to_knob((low + high) / 2)

    def model_root(self, low: float, high: float) -> float:
        """Return where the model curve meets the target, inside the bracket."""
        y = self.goal.height
        grid = np.union1d(np.linspace(low, high, 65), self.typical_x[(self.typical_x > low) & (self.typical_x < high)])
        curve = np.maximum.accumulate(self.model(grid))
        if y <= curve[0]:
            return float(grid[0])
        if y >= curve[-1]:
            return float(grid[-1])
        above = int(np.searchsorted(curve, y, side="left"))
        span = curve[above] - curve[above - 1]
        share = (y - curve[above - 1]) / span if span > 0 else 0.5
        return float(grid[above - 1] + share * (grid[above] - grid[above - 1]))

    def model(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return heights at `x`: the typical curve plus its error at the probes, interpolated between them."""
        base = self.typical(x)
        points = self.points()
        if not points:
            return base
        at = np.array([p for p, _ in points])
        error = self.goal.heights([value for _, value in points]) - self.typical(at)
        correction = np.interp(x, at, error)
        if len(points) > 1:
            # beyond the outermost probes the nearest pair's trend goes on, so far as the goal trusts it more than the
            # typical curve: these differ by a tilt
            for end, first, second in ((x < at[0], 0, 1), (x > at[-1], -1, -2)):
                slope = (error[second] - error[first]) / (at[second] - at[first])
                correction = np.where(end, error[first] + self.goal.trend * slope * (x - at[first]), correction)
        return np.asarray(base + correction)

    def typical(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        at, height = self.typical_x, self.typical_y
        inner = np.interp(x, at, height)
        left = (height[1] - height[0]) / (at[1] - at[0])
        right = (height[-1] - height[-2]) / (at[-1] - at[-2])
        inner = np.where(x < at[0], height[0] + left * (x - at[0]), inner)
        return np.asarray(np.where(x > at[-1], height[-1] + right * (x - at[-1]), inner))

    def probe_neighbours(self) -> None:
        """Probe both sides of the best: where sizes are not monotone, a bracket proves nothing."""
        best = self.best().knob
        for value in (best - 2, best - 1, best + 1, best + 2):
            if self.knob.low <= value <= self.knob.high and value not in self.probes:
                self.spend(float(value))

    def probe_between(self, max_probes: int) -> bool:
        """Probe half-way from the best to what lies on both sides of it, and say whether that was worth a probe.

        For a real knob whose end was probed and is no extreme: the target may lie within the range all the same.
        """
        before = len(self.trace)
        here = self.to_x(self.best().knob)
        places = {self.low_x, self.high_x, *(self.to_x(value) for value in self.probes)}
        sides = max((x for x in places if x < here), default=here), min((x for x in places if x > here), default=here)
        for side in sides:
            if abs(side - here) > INSIDE * (self.high_x - self.low_x) and len(self.trace) < max_probes:
                self.spend(self.to_knob((side + here) / 2))
        return len(self.trace) > before

    def best(self) -> Probe:
        return self.goal.best(list(self.probes.values()), lambda probe: self.sign * probe.knob)
