"""Numbers on the command line: what is not of the kind that is needed is refused, and never rounded to it."""

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

from cyclopts import Parameter, Token

SHOWN = 40
"""How many characters of a refused value a message shows."""


def _number(kind: type[int] | type[float], accepts: Callable[[float], bool], needed: str) -> Parameter:
    def convert(_: Any, tokens: Sequence[Token]) -> float:
        text = tokens[0].value
        try:
            value = kind(text)  # not Cyclopts's own conversion, which takes 1.5 for 2
        except ValueError:
            value = None
        if value is None or not accepts(value):
            raise ValueError(f"{text[:SHOWN]!r}; {needed} is needed")
        return value

    return Parameter(converter=convert)


Whole: TypeAlias = Annotated[int, _number(int, lambda value: value >= 0, "a whole number from 0 on")]
"""0, 1, 2, …"""
Count: TypeAlias = Annotated[int, _number(int, lambda value: value >= 1, "a whole number from 1 on")]
"""1, 2, 3, …"""
Resolution: TypeAlias = Annotated[int, _number(int, lambda value: 1 <= value <= 2400, "a whole number from 1 to 2400")]
"""Dots per inch."""
Positive: TypeAlias = Annotated[float, _number(float, lambda value: 0 < value < math.inf, "a number above 0")]
"""Finite and above 0."""
Inches: TypeAlias = Annotated[float, _number(float, lambda value: 0 < value <= 100, "a number above 0, to 100,")]
"""A figure's width."""
