"""The numbers that a run folder may hold: one bound for what is written and for what is read."""

from typing import Annotated, TypeAlias

from msgspec import Meta

LARGEST_NUMBER = 1e15
"""Beyond anything that is measured, and within any arithmetic's."""
Finite: TypeAlias = Annotated[float, Meta(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Amount: TypeAlias = Annotated[float, Meta(ge=0, le=LARGEST_NUMBER)]
Positive: TypeAlias = Annotated[float, Meta(gt=0, le=LARGEST_NUMBER)]


def is_finite(value: float) -> bool:
    """Whether a run folder may hold a number; it may not hold NaN."""
    return -LARGEST_NUMBER <= value <= LARGEST_NUMBER
