from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pytest

from isorate.files.typed import mismatch


@dataclass
class Inner:
    size: int
    rate: float | None


class Outer(TypedDict):
    name: str
    inner: list[Inner]
    note: NotRequired[str]


@pytest.mark.parametrize(("value", "declared"), [
    (3, int), (3, float), (3.5, float), (None, int | None), (True, bool), ("x", str | int), (object(), Any),
    ([1, 2], tuple[int, ...]), ({"a": 1}, dict[str, int]), ([], list[str]),
    ({"name": "a", "inner": [{"size": 1, "rate": None}, Inner(2, 0.5)]}, Outer),
])  # fmt: skip
def test_what_fits(value, declared):
    assert mismatch(value, declared) == ""


@pytest.mark.parametrize(("value", "declared", "said"), [
    (True, int, "it is True, not int"),
    (True, float, "it is True, not float"),
    (1.5, int, "it is 1.5, not int"),
    ("1", int | None, "it is '1', not int | None"),
    ({}, list[int], "it is {}, not list[int]"),
    ([1, [2]], list[int], "it[1] is [2], not int"),
    ({"a": {"b": "c"}}, dict[str, dict[str, int]], "it.a.b is 'c', not int"),
    ({"name": "a"}, Outer, "it lacks inner"),
    ({"name": "a", "inner": [{"size": "x", "rate": 1}]}, Outer, "it.inner[0].size is 'x', not int"),
    ([], Outer, "it is [], not Outer"),
])  # fmt: skip
def test_what_does_not_is_told_with_its_place(value, declared, said):
    assert mismatch(value, declared, "it") == said
