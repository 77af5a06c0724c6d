"""Checking parsed JSON against the types that the code declares: a damaged file is told, and not tripped over."""

import types
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict


def mismatch(value: object, declared: Any, where: str = "") -> str:
    """Return what is wrong with `value` for the type `declared`, or nothing.

    Knows what JSON can hold: None, str, int, float, bool, unions, lists, tuples of one type, dictionaries,
    dataclasses and typed dictionaries. A float may be written as a whole number.

    >>> mismatch({"a": [1, "x"]}, dict[str, list[int]], "file")
    "file.a[1] is 'x', not int"
    """
    origin, arguments = get_origin(declared), get_args(declared)
    if declared is Any:
        return ""
    if origin in (Union, types.UnionType):
        right = any(not mismatch(value, kind, where) for kind in arguments)
        return "" if right else _not(value, declared, where)
    if is_dataclass(declared) or is_typeddict(declared):
        return _fields(value, declared, where)
    if not isinstance(value, _classes(origin or declared)) or (isinstance(value, bool) and declared is not bool):
        return _not(value, declared, where)
    inner: list[str] = []
    if isinstance(value, dict) and arguments:
        inner = [mismatch(item, arguments[1], f"{where}.{key}") for key, item in value.items()]
    elif isinstance(value, list | tuple) and arguments:
        inner = [mismatch(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value)]
    return next(filter(None, inner), "")


def _classes(declared: Any) -> tuple[type, ...]:
    """Return the classes that JSON may give for a type: a whole number for a float, a list for a tuple."""
    return {float: (float, int), tuple: (tuple, list)}.get(declared, (declared,))


def _fields(value: object, declared: Any, where: str) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if not isinstance(value, dict):
        return _not(value, declared, where)
    required = getattr(declared, "__required_keys__", ())
    if missing := sorted(set(required) - set(value)):
        return f"{where} lacks {', '.join(missing)}"
    hints = _hints(declared)
    return next(filter(None, (mismatch(value[key], hints[key], f"{where}.{key}") for key in hints if key in value)), "")


@cache
def _hints(declared: Any) -> dict[str, Any]:
    return get_type_hints(declared)


def _not(value: object, declared: Any, where: str) -> str:
    name = declared.__name__ if isinstance(declared, type) and not get_args(declared) else str(declared)
    return f"{where} is {value!r:.60}, not {name}"
