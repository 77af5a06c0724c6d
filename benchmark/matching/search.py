"""Driving a codec's rate knob to a target size: the same file size for every codec.

The search works in log rate against the knob (or its logarithm). It keeps a model of the image's rate curve, the
codec's typical curve bent through every probe so far, and probes where that model meets the target. A probe always
falls strictly inside the bracket of the sizes known, so that a wrong model costs probes, never the result.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from isorate.errors import MatchError
from isorate.matching.knob import Knob
from isorate.matching.outcome import Match, Policy, Probe

MAX_PROBES = 24
INSIDE = 0.02
"""How far inside the bracket a probe stays, as a share of it: a model that hugs one end would never close it."""
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
    if not (math.isfinite(target) and target > 0):
        raise MatchError(f"target of {target} bytes: a positive number is needed")
    search = _Search(probe, knob, target, num_pixels, tolerance_pct, policy, known)
    while len(search.trace) < max_probes and not search.done():
        search.step()
    if knob.integer and not search.monotone:
        search.probe_neighbours()
    best = search.best()
    found = Match(target, best, tuple(search.trace), search.unreachable(), search.monotone)
    if policy is Policy.STRICT:
        found.require_within(tolerance_pct, knob.name, best.knob)
    return found


class _Search:
    """The state of one search. Positions `x` ascend with the size, whatever the knob's direction."""

    def __init__(
        self,
        probe: Callable[[float], int],
        knob: Knob,
        target: float,
        num_pixels: int,
        tolerance_pct: float,
        policy: Policy,
        known: Sequence[Probe],
    ) -> None:
        self.encode, self.knob, self.target, self.policy = probe, knob, target, policy
        self.tolerance = tolerance_pct / 100
        self.sizes = {p.knob: p.num_bytes for p in known}
        self.trace: list[Probe] = []
        self.monotone = True
        self.sign = 1 if knob.rising else -1
        ends = sorted((self.to_x(knob.low), self.to_x(knob.high)))
        self.low_x, self.high_x = ends
        span = PLAIN_SPAN if knob.rising else PLAIN_SPAN[::-1]
        typical = knob.typical or tuple(zip((knob.low, knob.high), span, strict=True))
        points = sorted((self.to_x(at), math.log(bpp * num_pixels / 8)) for at, bpp in typical)
        self.typical_x = np.array([x for x, _ in points])
        self.typical_y = np.array([y for _, y in points])
        self.widths: list[float] = []

    def to_x(self, value: float) -> float:
        return self.sign * (math.log(value) if self.knob.log else value)

    def to_knob(self, x: float) -> float:
        return self.knob.clip(math.exp(self.sign * x) if self.knob.log else self.sign * x)

    def points(self) -> list[tuple[float, int]]:
        return sorted((self.to_x(value), size) for value, size in self.sizes.items())

    def bracket(self) -> tuple[float, float, bool, bool]:
        """Return the enclosing positions, and whether each of them was probed (and not just the knob's end)."""
        below = [x for x, size in self.points() if size <= self.target]
        above = [x for x, size in self.points() if size > self.target]
        low = max(below, default=self.low_x)
        high = min((x for x in above if x > low), default=None)
        if high is None:
            # every larger position is not above the target: either none was probed, or the sizes are not monotone
            high = self.high_x
            if above:
                high = min(above)
                low = max((x for x in below if x < high), default=self.low_x)
        return low, high, low in below, high in above

    def done(self) -> bool:
        if not self.sizes:
            return False
        if self.close_enough(self.best()):
            return True
        low, high, has_low, has_high = self.bracket()
        if has_low and has_high:
            if self.knob.integer:
                return abs(self.to_knob(high) - self.to_knob(low)) <= 1
            return high - low <= FINEST * (self.high_x - self.low_x)
        return self.unreachable()

    def unreachable(self) -> bool:
        smallest, largest = self.to_knob(self.low_x), self.to_knob(self.high_x)
        sizes = self.sizes.values()
        return (smallest in self.sizes and min(sizes) > self.target) or (
            largest in self.sizes and max(sizes) < self.target
        )

    def close_enough(self, probe: Probe) -> bool:
        if probe.num_bytes == self.target:
            return True
        if self.knob.integer:
            return False
        share = probe.num_bytes / self.target - 1
        return -self.tolerance <= share <= (0 if self.policy is Policy.AT_MOST else self.tolerance)

    def step(self) -> None:
        low, high, has_low, has_high = self.bracket()
        value = self.to_knob(self.aim(low, high, has_low, has_high))
        if value in self.sizes:
            value = self.fresh(low, high)
        self.spend(value)

    def spend(self, value: float) -> None:
        size = self.encode(value)
        self.trace.append(Probe(value, size))
        self.sizes[value] = size
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
                float(k) for k in range(int(self.knob.low), int(self.knob.high) + 1) if float(k) not in self.sizes
            ]
            root = self.model_root(low, high)
            between = [k for k in inside if low <= self.to_x(k) <= high]
            return min(between or inside, key=lambda k: abs(self.to_x(k) - root))
        ends = [x for x in (low, high) if self.to_knob(x) not in self.sizes]
        return self.to_knob(ends[0]) if ends else self.to_knob((low + high) / 2)

    def model_root(self, low: float, high: float) -> float:
        """Return where the model curve meets the target, inside the bracket."""
        y = math.log(self.target)
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

    def model(self, x: np.ndarray) -> np.ndarray:
        """Return log size at `x`: the typical curve plus its error at the probes, interpolated between them."""
        base = self.typical(x)
        points = self.points()
        if not points:
            return base
        at = np.array([p for p, _ in points])
        error = np.log([size for _, size in points]) - self.typical(at)
        correction = np.interp(x, at, error)
        if len(points) > 1:
            # beyond the outermost probes the nearest pair's trend goes on, damped: typical curves differ by a tilt
            for end, first, second in ((x < at[0], 0, 1), (x > at[-1], -1, -2)):
                slope = (error[second] - error[first]) / (at[second] - at[first])
                correction = np.where(end, error[first] + 0.7 * slope * (x - at[first]), correction)
        return np.asarray(base + correction)

    def typical(self, x: np.ndarray) -> np.ndarray:
        at, log_size = self.typical_x, self.typical_y
        inner = np.interp(x, at, log_size)
        left = (log_size[1] - log_size[0]) / (at[1] - at[0])
        right = (log_size[-1] - log_size[-2]) / (at[-1] - at[-2])
        inner = np.where(x < at[0], log_size[0] + left * (x - at[0]), inner)
        return np.asarray(np.where(x > at[-1], log_size[-1] + right * (x - at[-1]), inner))

    def probe_neighbours(self) -> None:
        """Probe both sides of the best: where sizes are not monotone, a bracket proves nothing."""
        best = self.best().knob
        for value in (best - 2, best - 1, best + 1, best + 2):
            if self.knob.low <= value <= self.knob.high and value not in self.sizes:
                self.spend(float(value))

    def best(self) -> Probe:
        probes = [Probe(value, size) for value, size in self.sizes.items()]
        if self.policy is Policy.AT_MOST:
            fitting = [p for p in probes if p.num_bytes <= self.target]
            if fitting:
                return max(fitting, key=lambda p: (p.num_bytes, self.to_x(p.knob)))
        return min(probes, key=lambda p: (abs(math.log(p.num_bytes / self.target)), self.sign * p.knob))
