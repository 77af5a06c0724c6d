"""What a run drives its codecs to, from a user's words: the anchor's file size, or its quality by one metric."""

from isorate.errors import UsageError
from isorate.files.numbers import LARGEST_NUMBER
from isorate.matching.goal import DB_PER_DOUBLING, MIDDLE_BPP, POINTS_PER_DOUBLING, QualityGoal
from isorate.matching.outcome import Policy
from isorate.metrics.registry import ALWAYS, check_names, metric
from isorate.metrics.registry import names as metric_names
from isorate.runs.aim import SIZE, Aim

TOLERANCE_DB = 0.02
"""What counts as matched on a scale in decibels when nobody says: about half a percent of the rate."""
LARGEST_QUALITY = LARGEST_NUMBER / 1000
"""That may be asked for: the gap to what a file has stands in the run as well."""


def tolerance_of(match: str, given: float | None) -> float | None:
    """Return the gap that counts as matched, on the metric's curve scale; None for sizes, whose tolerance is another.

    Parameters
    ----------
    match
        ``size``, or a metric.
    given
        What the user says, or None.

    Raises
    ------
    UsageError
        For an unknown metric, a tolerance that is none, and where a metric without decibels states none.
    MetricUnavailableError
        When the metric cannot run here.
    """
    if match == SIZE:
        if given is not None:
            raise UsageError(f"a tolerance of {given:g} in quality: sizes are matched; give tolerance_pct, or a metric")
        return None
    if match not in ALWAYS:
        if match not in metric_names():
            raise UsageError(f"match {match!r}: give {SIZE}, or a metric: {', '.join((*ALWAYS, *metric_names()))}")
        check_names([match])
    if given is not None:
        return _checked(given, f"tolerance of {given} in {match}")
    if match in ALWAYS or metric(match).scale != "as it is" or metric(match).unit == "dB":
        return TOLERANCE_DB
    own = metric(match).tolerance
    if own is None:
        raise UsageError(f"match {match!r}: the metric states no tolerance of its own; give one")
    return _checked(own, f"match {match!r}: the metric states a tolerance of {own}; give one")


def _checked(tolerance: float, what: str) -> float:
    if not 0 < tolerance <= LARGEST_QUALITY:
        raise UsageError(f"{what}: a number above 0 is needed, {LARGEST_QUALITY:g} at most")
    return tolerance


def quality_goal(aim: Aim, value: float, policy: Policy, rate: float | None) -> QualityGoal:
    """Return the goal of a search for a value of the metric that `aim` holds equal.

    `rate` is the rate in bits per pixel at which it is expected: the anchor's; None where nobody knows.
    """
    per_doubling = DB_PER_DOUBLING if aim.unit == "dB" else POINTS_PER_DOUBLING
    return QualityGoal(aim.height(value), aim.tolerance, policy, rate or MIDDLE_BPP, per_doubling)
