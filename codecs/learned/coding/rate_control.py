"""What effort buys at a size: the best of several (λ, Δ) that give it, or refined latents of that size.

The searches are the suite's own (`matching/`), over a function that gives the size of the file at λ and Δ. A change of
λ costs two network passes (analysis; hyper-analysis and priors), a change of Δ one.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from isorate.image import Image
from isorate.matching.outcome import Match, Policy, Probe
from isorate.matching.search import match_size
from isorate.matching.two_knobs import TwoKnobs, match_two_knobs

Size = Callable[[float, float], int]
"""Encodes at (λ, Δ) and returns the size of the file in bytes."""
TRIED_SHIFTS = (-0.5, 0.5)
"""log2 of the Δ, relative to the first solution's, at which effort 1 looks for a better picture of the same size."""
PLAIN_TOLERANCE_PCT = 0.2
"""Of the plain file from which a refinement goes: its own tolerance is added."""
MOST_DESCENTS = 4
"""Refinements at most when the first one's size does not do."""


def squared_error(one: Image, other: Image) -> float:
    """Return the mean squared difference of two pictures, 0..65025."""
    return float(np.square(one.astype(np.float32) - other).mean())


def best_trade_off(
    size: Size,
    knobs: TwoKnobs,
    target: float,
    *,
    num_pixels: int,
    tolerance_pct: float,
    policy: Policy,
    error: Callable[[Probe], float],
) -> Match:
    """Return the best picture among several (λ, Δ) of the wanted size: effort 1.

    From the first solution on, smaller and larger Δ are tried with the λ that makes up for them. Where none of the
    sizes is inside the tolerance, the one that `policy` prefers is returned.

    Parameters
    ----------
    size, knobs, target, num_pixels, tolerance_pct, policy
        As for :func:`isorate.matching.two_knobs.match_two_knobs`.
    error
        Returns how bad the picture of a file is that `size` was asked for.

    Raises
    ------
    MatchError
        Under ``strict`` when no size is inside the tolerance.
    """
    searched = Policy.NEAREST if policy is Policy.STRICT else policy

    def search(start: TwoKnobs) -> Match:
        return match_two_knobs(size, start, target, num_pixels=num_pixels, tolerance_pct=tolerance_pct, policy=searched)

    first = search(knobs)
    tried = [first]
    if not first.unreachable:
        tried += [search(start) for shift in TRIED_SHIFTS if (start := _shifted(knobs, first.best, shift, num_pixels))]
    if fitting := [match for match in tried if match.within(tolerance_pct, policy)]:
        chosen = min(fitting, key=lambda match: error(match.best))
    else:
        chosen = min(tried, key=lambda match: match.rank(policy))
    if policy is Policy.STRICT:
        chosen.require_within(tolerance_pct, knobs.coarse.name, chosen.best.knob)
    trace = tuple(dict.fromkeys(probe for match in tried for probe in match.trace))
    return replace(chosen, trace=trace, monotone=all(match.monotone for match in tried))


def _shifted(knobs: TwoKnobs, at: Probe, shift: float, num_pixels: int) -> TwoKnobs | None:
    """Return `knobs` with a start `shift` octaves of Δ away from `at`, if Δ reaches so far."""
    assert at.fine is not None
    fine, start = knobs.fine_at(at.knob), at.fine * 2.0**shift
    if not fine.low <= start <= fine.high:
        return None
    expected = at.num_bytes * 8 / num_pixels * fine.typical_bpp(start) / fine.typical_bpp(at.fine)
    return replace(knobs, coarse=knobs.coarse.through(at.knob, expected), fine_start_at=lambda _: start)


def refined_to_size(
    size: Size,
    plain_size: Size,
    knobs: TwoKnobs,
    target: float,
    *,
    num_pixels: int,
    tolerance_pct: float,
    policy: Policy,
) -> Match:
    """Return the refined file of the wanted size: efforts 2 and 3.

    A refined file keeps the size of its plain one within a little, so plain files are searched, and their λ and Δ
    refined. Where that size does not do, Δ is corrected and the refinement made again.

    Parameters
    ----------
    size, plain_size
        Of the refined file, which is slow, and of the plain one.
    knobs, target, num_pixels, tolerance_pct, policy
        As for :func:`isorate.matching.two_knobs.match_two_knobs`. The trace has the refined files only.

    Raises
    ------
    MatchError
        Under ``strict`` when the nearest is outside the tolerance.
    """
    # at most: refinement misses to both sides, so aim at the middle of what is allowed
    aim = target * (1 - tolerance_pct / 200) if policy is Policy.AT_MOST else target
    plain = match_two_knobs(
        plain_size, knobs, aim, num_pixels=num_pixels, tolerance_pct=min(PLAIN_TOLERANCE_PCT, tolerance_pct)
    ).best
    assert plain.fine is not None
    fine = match_size(
        lambda value: size(plain.knob, value),
        knobs.fine_at(plain.knob).through(plain.fine, target * 8 / num_pixels),
        target,
        num_pixels=num_pixels,
        tolerance_pct=tolerance_pct,
        policy=policy,
        max_probes=MOST_DESCENTS,
    )
    trace = tuple(Probe(plain.knob, probe.num_bytes, probe.knob) for probe in fine.trace)
    best = Probe(plain.knob, fine.best.num_bytes, fine.best.knob)
    return replace(fine, best=best, trace=trace)
