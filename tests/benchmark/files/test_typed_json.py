from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from msgspec import Meta

from isorate.files.typed_json import fit, parse, parse_unique


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, Meta(ge=0)]
    rate: float | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    inner: tuple[Inner | str, ...] = ()
    by_name: dict[str, Inner] | None = None


@pytest.mark.parametrize(("value", "kind", "made"), [
    (3, float, 3.0), (True, bool, True), ([1, 2], tuple[int, ...], (1, 2)),
    ({"name": "a", "inner": [{"size": 1, "rate": 2}, "b"]}, Outer, Outer("a", (Inner(1, 2.0), "b"))),
])  # fmt: skip
def test_what_fits(value: object, kind: type[Any], made: object) -> None:
    assert fit(value, kind) == made


@pytest.mark.parametrize(("value", "kind", "said"), [
    (True, int, "expected `int`, got `bool`"),
    (1.5, int, "expected `int`, got `float`"),
    ("1", float, "expected `float`, got `str`"),
    ({"name": "a", "inner": [{"size": "x"}]}, Outer, "inner[0].size: expected `int`, got `str`"),
    ({"name": "a", "inner": [{"size": -1}]}, Outer, "inner[0].size: expected `int` >= 0"),
    ({"inner": []}, Outer, "object missing required field `name`"),
    ([], Outer, "expected `object`, got `array`"),
    ({"colour": 1}, Outer, "unknown fields ['colour']"),
    ({"name": "a", "inner": ["b", {"size": 1, "x": 2}]}, Outer, "unknown fields ['inner.1.x']"),
    ({"name": "a", "by_name": {"b": {"size": 1, "x": 2}}}, Outer, "unknown fields ['by_name.b.x']"),
])  # fmt: skip
def test_what_does_not_is_told_with_its_place(value: object, kind: type[Any], said: str) -> None:
    with pytest.raises(ValueError) as error:
        fit(value, kind)
    assert str(error.value) == said


@pytest.mark.parametrize(("text", "said"), [
    (b'{"a": [1, NaN]}', "a[1] is nan, not a finite number"),
    (b'{"a": {"b": -Infinity}}', "a.b is -inf, not a finite number"),
    (b"1e999", "the value is inf, not a finite number"),
    (b"{", "truncated"),
    (b'{"a": 1,}', "malformed"),
    (b'"\xff"', "utf-8"),
    (b'{"a":' * 100_000, "recursion"),
])  # fmt: skip
def test_what_is_no_strict_json_is_told(text: bytes, said: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(text)
    assert said in str(error.value)


def test_a_key_that_is_there_twice_is_told_where_that_matters() -> None:
    text = b'{"a": [{"b": 1, "c": 2, "b": 3}]}'
    assert parse(text) == {"a": [{"b": 3, "c": 2}]}
    with pytest.raises(ValueError, match="'b' is there twice in one object"):
        parse_unique(text)
    assert parse_unique(b'{"a": [{"b": 1}, {"b": 2}]}') == {"a": [{"b": 1}, {"b": 2}]}
    for strange in (b"[" * 100_000, b'{"a": NaN}', b"{"):
        with pytest.raises(ValueError):
            parse_unique(strange)
