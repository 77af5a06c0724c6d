"""Two knobs to one size or quality: a coarse search, then a fine correction."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from isorate.matching.goal import Goal, QualityGoal, SizeGoal
from isorate.matching.knob import Knob
from isorate.matching.outcome import Found, Match, Policy, Probe, QualityMatch
from isorate.matching.search import MAX_PROBES, search


@dataclass(frozen=True, slots=True)
class TwoKnobs:
    """A coarse and a fine knob.

    Attributes
    ----------
    coarse
        The first knob; its typical curve is the one at `fine_start_at`.
    fine_at
        Returns the fine knob, with its typical curve where the coarse one is at a value.
    fine_start_at
        Returns the fine knob's value that goes with a value of the coarse one while that is searched.
    """

    coarse: Knob
    fine_at: Callable[[float], Knob]
    fine_start_at: Callable[[float], float]


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
    goal = SizeGoal(target, tolerance_pct, policy)
    goal.check()
    found = _search(lambda *at: Probe(at[0], size(*at), at[1]), knobs, goal, num_pixels)
    match = Match.of(target, found)
    if policy is Policy.STRICT:
        match.require_within(tolerance_pct, knobs.fine_at(found.best.knob).name, found.best.knobs[-1])
    return match


def match_two_knobs_to_quality(
    probe: Callable[[float, float], tuple[int, float]], knobs: TwoKnobs, goal: QualityGoal, *, num_pixels: int
) -> QualityMatch:
    """Return the values of both knobs whose file is nearest to a quality.

    Parameters
    ----------
    probe
        Encodes at both values and returns the file's size in bytes and the quality of its pixels, on the goal's scale.
    knobs, goal, num_pixels
        The knobs and where to start, what is asked for, and the image's pixels.

    Raises
    ------
    MatchError
        See :func:`isorate.matching.search.match_quality`.
    """
    goal.check()

    def probed(knob: float, fine: float) -> Probe:
        num_bytes, quality = probe(knob, fine)
        return Probe(knob, num_bytes, fine, quality)

    found = _search(probed, knobs, goal, num_pixels)
    return QualityMatch.of(goal.target, found).checked(goal, knobs.coarse.name)


def _search(probe: Callable[[float, float], Probe], knobs: TwoKnobs, goal: Goal, num_pixels: int) -> Found:
    start_at = knobs.fine_start_at
    coarse = search(
        lambda value: replace(probe(value, start_at(value)), fine=None),
        knobs.coarse,
        goal.coarse(),
        num_pixels=num_pixels,
    )
    knob = coarse.best.knob
    fine = search(
        lambda value: replace(probe(knob, value), knob=value, fine=None),
        knobs.fine_at(knob),
        goal,
        num_pixels=num_pixels,
        max_probes=MAX_PROBES - len(coarse.trace),
        known=[replace(coarse.best, knob=start_at(knob))],
    )
    trace = (
        *(replace(probe, fine=start_at(probe.knob)) for probe in coarse.trace),
        *(replace(probe, knob=knob, fine=probe.knob) for probe in fine.trace),
    )
    best = replace(fine.best, knob=knob, fine=fine.best.knob)
    return Found(best, trace, fine.unreachable, coarse.monotone and fine.monotone)
