"""What one row is driven to: bytes, a quality, or neither; and what a reader must know of how it is met."""

import math
from dataclasses import dataclass

from isorate.engine.objective import quality_goal
from isorate.engine.points import rate_at
from isorate.errors import MatchError
from isorate.matching.goal import QualityGoal
from isorate.matching.outcome import Match, Policy, QualityMatch
from isorate.metrics.base import from_quality
from isorate.runs.aim import Aim
from isorate.runs.equal_quality import NO_SIZE
from isorate.runs.equal_rate import NO_VALUE, UNREACHABLE
from isorate.runs.point import AnchorPoint
from isorate.runs.row import AtQuality, Row


@dataclass(frozen=True, slots=True)
class Target:
    """What a codec is asked for on one image; without any it runs at a knob's value.

    Attributes
    ----------
    num_bytes
        A size; a real number, since a rate seldom gives a whole one.
    goal, value
        A quality, and the same in the metric's own unit.
    """

    num_bytes: float | None = None
    goal: QualityGoal | None = None
    value: float | None = None

    def bpp(self, num_bytes: int, num_pixels: int) -> float | None:
        """Return the rate that was asked for; that of the file itself where nothing was, None where a quality was."""
        if self.goal is not None:
            return None
        return 8 * (num_bytes if self.num_bytes is None else self.num_bytes) / num_pixels

    def residual_pct(self, num_bytes: int) -> float | None:
        """Return how far a file is from the size that was asked for, in percent; None where a quality was."""
        if self.goal is not None:
            return None
        return 0.0 if self.num_bytes is None else 100 * (num_bytes / self.num_bytes - 1)


def of_anchor(point: AnchorPoint, anchor: str, image: str, num_pixels: int, aim: Aim, policy: Policy) -> Target:
    """Return what the anchor is driven to on an image at its operating point."""
    if point.kind == "quality":
        return Target(goal=quality_goal(aim, point.value, policy, None), value=point.value)
    rate = rate_at(point, anchor, image)
    return Target() if rate is None else Target(num_bytes=rate * num_pixels / 8)


def of_others(anchor: Row | None, aim: Aim, policy: Policy) -> Target:
    """Return what the other codecs are driven to: what the anchor's row has; None stands for a row that failed.

    Raises
    ------
    MatchError
        When there is nothing to be driven to.
    """
    if anchor is None:
        raise MatchError(f"the anchor failed on this image, so there is no {aim.label} to match")
    if aim.of_size:
        return Target(num_bytes=anchor.num_bytes)
    value = anchor.value(aim.name)
    if value is None:
        raise MatchError(f"{aim.label} is not defined for this picture, so there is none to match")
    if not math.isfinite(aim.height(value)):
        raise MatchError(f"the anchor has no error on this image, so there is no {aim.label} to hold others to")
    return Target(goal=quality_goal(aim, value, policy, anchor.bpp), value=value)


def at_quality_of(aim: Aim, target: Target, found: QualityMatch) -> AtQuality:
    """Return how a file meets the quality that was asked for, for its row."""
    assert target.value is not None
    sign = -1 if aim.scale == "as it is" and not aim.larger_is_better else 1
    heights = [math.inf if probe.quality is None else probe.quality for probe in found.trace]
    trace = [from_quality(sign * height, aim.scale) if math.isfinite(height) else None for height in heights]
    return AtQuality(
        metric=aim.name, target=target.value, gap=found.gap if math.isfinite(found.gap) else None, trace=trace
    )


def note(found: Match | QualityMatch, *, outside: bool, bracketed: bool) -> str:
    """Return what a reader must know of a match.

    Parameters
    ----------
    found
        The match.
    outside
        Whether its residual is outside the tolerance.
    bracketed
        Whether there is a file on the other side of the target.
    """
    sizes = isinstance(found, Match)
    residual = found.residual_pct if isinstance(found, Match) else found.gap
    sides = ("smallest", "largest") if sizes else ("worst", "best")
    notes = []
    if found.unreachable:
        notes.append(f"{UNREACHABLE}: this is the {sides[residual < 0]} file the knob can give")
    elif outside:
        notes.append("outside tolerance")
        if not bracketed:
            nothing, of = (NO_VALUE, "rate") if sizes else (NO_SIZE, "quality")
            notes.append(f"{nothing}: there is no file on the other side of the {of}")
    if not found.monotone:
        notes.append("sizes are not monotone in the knob" if sizes else "quality is not monotone in the knob")
    return "; ".join(notes)
