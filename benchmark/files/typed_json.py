"""JSON from outside, decoded to the types that the code declares: what does not fit is told with its place."""

import json
import math
import re
from collections import Counter
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T")

_CONTAINERS = (dict, list)


def parse(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        When it is no strict JSON; a NaN or Infinity is named with its place.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(_not_finite(text) or str(error)) from None


def parse_unique(text: bytes) -> Any:
    """Return the value of a JSON text that people merge: :func:`parse` takes the last of a key's values, this none.

    Raises
    ------
    ValueError
        When it is no strict JSON, or an object has a key twice.
    """
    value = parse(text)
    try:
        json.loads(text, object_pairs_hook=unique)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's pairs as a dictionary, as the `object_pairs_hook` of :func:`json.loads`.

    Raises
    ------
    ValueError
        When a key is there twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"{twice!r} is there twice in one object")
    return found


def fit(value: Any, kind: type[T]) -> T:
    """Return parsed JSON as a `kind`: dataclasses, their fields' types and bounds, and what these are made of.

    A float may be written as a whole number; nothing else is converted, and nothing may be left over.

    Raises
    ------
    ValueError
        When a field is missing, unknown, of another type or out of bounds.

    Examples
    --------
    >>> fit({"a": [1, "x"]}, dict[str, list[int]])
    Traceback (most recent call last):
    ValueError: [...][1]: expected `int`, got `str`
    """
    if is_dataclass(kind) and isinstance(value, dict) and not (known := _fields(kind)).issuperset(value):
        raise ValueError(f"unknown fields {sorted(set(value) - known)}")
    try:
        made = msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(_readable(str(error))) from None
    if strange := set(_unknown(value, made, "")):
        raise ValueError(f"unknown fields {sorted(strange)}")
    return made


@cache
def closed(kind: type) -> Any:
    """Return a struct with the fields of a dataclass that refuses unknown ones, as do those of dataclasses in them.

    JSON is decoded to it at once, without the dictionaries that :func:`fit` looks for unknown fields in; it becomes the
    dataclass by ``msgspec.convert(…, from_attributes=True)``.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Point:
    ...     x: int
    >>> msgspec.json.decode('{"x": 1, "y": 2}', type=closed(Point))
    Traceback (most recent call last):
    msgspec.ValidationError: Object contains unknown field `y`
    """
    hints = get_type_hints(kind, include_extras=True)
    entries: list[Any] = []
    for entry in fields(kind):
        if entry.default_factory is not MISSING:
            default = [msgspec.field(default_factory=entry.default_factory)]
        else:
            default = [] if entry.default is MISSING else [entry.default]
        entries.append((entry.name, _closed(hints[entry.name]), *default))
    return msgspec.defstruct(kind.__name__, entries, forbid_unknown_fields=True, kw_only=True, gc=False)


def _closed(hint: Any) -> Any:
    if is_dataclass(hint):
        return closed(hint)  # type: ignore[arg-type]
    if not any(map(_holds, get_args(hint))):
        return hint
    parts = tuple(map(_closed, get_args(hint)))
    return reduce(or_, parts) if get_origin(hint) in (Union, UnionType) else get_origin(hint)[parts]


def _readable(said: str) -> str:
    text, _, place = said.partition(" - at ")
    place = re.sub(r"^`|`$", "", place.replace("`$.", "`").replace("`$", "`"))
    text = text[:1].lower() + text[1:]
    return f"{place}: {text}" if place else text


def _unknown(value: Any, made: Any, place: str) -> list[str]:
    """Return the places of the keys that `made`, decoded from `value`, has no field for."""
    found: list[str] = []
    if isinstance(value, dict) and is_dataclass(made):
        if not _fields(made.__class__).issuperset(value):
            found = [place + key for key in value if key not in made.__dataclass_fields__]
        for key in _holding(made.__class__):
            if type(item := value.get(key)) in _CONTAINERS:
                found += _unknown(item, getattr(made, key), f"{place}{key}.")
    elif isinstance(value, dict):
        for key, item in value.items():
            if type(item) in _CONTAINERS:
                found += _unknown(item, made[key], f"{place}{key}.")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if type(item) in _CONTAINERS:
                found += _unknown(item, made[index], f"{place}{index}.")
    return found


@cache
def _fields(kind: Any) -> frozenset[str]:
    return frozenset(kind.__dataclass_fields__)


@cache
def _holding(kind: type) -> tuple[str, ...]:
    """Return the fields of a dataclass in which further dataclasses may stand; a row's trace holds none."""
    return tuple(name for name, hint in get_type_hints(kind).items() if _holds(hint))


def _holds(hint: Any) -> bool:
    return is_dataclass(hint) or any(map(_holds, get_args(hint)))


def _not_finite(text: bytes) -> str:
    """Return what is said of the first number that is not finite in JSON that is right but for it; else nothing."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    waiting = [("", value)]
    while waiting:
        place, item = waiting.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return f"{place.lstrip('.') or 'the value'} is {item}, not a finite number"
        if isinstance(item, dict):
            waiting += [(f"{place}.{key}", inner) for key, inner in item.items()]
        elif isinstance(item, list):
            waiting += [(f"{place}[{index}]", inner) for index, inner in enumerate(item)]
    return ""
