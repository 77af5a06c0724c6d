"""Two knobs to one size: a coarse search, then a fine correction."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from isorate.matching.knob import Knob
from isorate.matching.outcome import Match, Policy, Probe
from isorate.matching.search import MAX_PROBES, match_size

COARSE_TOLERANCE_PCT = 30.0
"""How near the coarse knob must bring the size: from there the fine knob has the range, and a probe costs less."""


@dataclass(frozen=True, slots=True)
class TwoKnobs:
    """A coarse and a fine knob.

    Attributes
    ----------
    coarse
        The first knob; its typical curve is the one at `fine_start`.
    fine_at
        Returns the fine knob, with its typical curve where the coarse one is at a value.
    fine_start
        The fine knob's value while the coarse one is searched.
    """

    coarse: Knob
    fine_at: Callable[[float], Knob]
    fine_start: float


def match_two_knobs(
    size: Callable[[float, float], int],
    knobs: TwoKnobs,
    target: float,
    *,
    num_pixels: int,
    tolerance_pct: float = 0.5,
    policy: Policy = Policy.NEAREST,
) -> Match:
    """Return the values of both knobs at which the size is nearest to `target`.

    Parameters
    ----------
    size
        Encodes at both values and returns the file's size in bytes. A change of the fine one alone may be cheaper.
    knobs
        The knobs, and where to start.
    target, num_pixels, tolerance_pct, policy
        As for :func:`isorate.matching.search.match_size`.

    Raises
    ------
    MatchError
        Under ``strict`` when the nearest is outside the tolerance.
    """
    start = knobs.fine_start
    coarse = match_size(
        lambda value: size(value, start),
        knobs.coarse,
        target,
        num_pixels=num_pixels,
        tolerance_pct=max(COARSE_TOLERANCE_PCT, tolerance_pct),
    )
    knob = coarse.best.knob
    fine = match_size(
        lambda value: size(knob, value),
        knobs.fine_at(knob),
        target,
        num_pixels=num_pixels,
        tolerance_pct=tolerance_pct,
        policy=policy,
        max_probes=MAX_PROBES - len(coarse.trace),
        known=[Probe(start, coarse.best.num_bytes)],
    )
    trace = (
        *(replace(probe, fine=start) for probe in coarse.trace),
        *(Probe(knob, probe.num_bytes, probe.knob) for probe in fine.trace),
    )
    best = Probe(knob, fine.best.num_bytes, fine.best.knob)
    return Match(target, best, trace, fine.unreachable, coarse.monotone and fine.monotone)
