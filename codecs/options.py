"""A codec's options: the fields of a frozen dataclass, read and checked by their annotations."""

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from isorate.errors import UsageError

Option: TypeAlias = str | int | float | bool | None
MOST_THREADS = 1024
"""Of a codec's networks: more than any machine's cores."""
T = TypeVar("T")


def option(default: T, *, changes_bits: bool = True, name: str = "") -> T:
    """Return a dataclass field for an option that is not an ordinary one.

    Parameters
    ----------
    default
        Its value where none is given.
    changes_bits
        Whether it stands in the rows and in the cache's key. A number of threads does not.
    name
        How a spec and the constructor call it, where the field cannot have that name.
    """
    found: T = field(default=default, metadata={"changes_bits": changes_bits, "name": name})
    return found


def option_fields(codec: type) -> dict[str, Field[Any]]:
    """Return the fields of a codec's dataclass that are options, by the names that a spec gives them.

    A field that does not count in comparisons is the codec's own matter. One that is no argument of the constructor
    (``init=False``) is a fact about every file: it stands in the rows.
    """
    return {item.metadata.get("name") or item.name: item for item in fields(codec) if item.compare}


def refusal(codec: str, key: str, value: object, allowed: str) -> UsageError:
    """Return the error for an option's value that cannot be used."""
    return UsageError(f"codec {codec}: {key}={value!r} cannot be used; allowed: {allowed}")


def read(codec: str, key: str, value: object, hint: Any) -> Any:
    """Return `value` as `hint` wants it; a text, as a spec gives it, counts as what it spells.

    Parameters
    ----------
    codec, key
        Whose option it is, for the message.
    value
        The value, or its text.
    hint
        ``Literal`` of the values allowed, ``bool``, ``int``, ``float``, ``str``, or a union of these and None, which
        ``none`` spells. A value of any other type is left as it is.

    Raises
    ------
    UsageError
        For a value that is not allowed; the message says what is.

    Examples
    --------
    >>> read("jpeg", "chroma", 420, Literal["420", "444"])
    '420'
    >>> read("jpeg", "optimize", "maybe", bool)
    Traceback (most recent call last):
        ...
    isorate.errors.UsageError: codec jpeg: optimize='maybe' cannot be used; allowed: true, false
    """
    try:
        return _as(value, hint)
    except ValueError:
        raise refusal(codec, key, value, _allowed(hint)) from None


def check_range(codec: str, key: str, value: float, least: float, most: float) -> None:
    """Raise unless a number lies in a range.

    Raises
    ------
    UsageError
        The message says the range.
    """
    if not least <= value <= most:
        raise refusal(codec, key, value, f"{least:g} to {most:g}")


def check_device(codec: str, device: str) -> None:
    """Raise unless `device` is named as PyTorch names devices.

    Raises
    ------
    UsageError
        For another name. Whether the device is there is told where it is used.
    """
    if not re.fullmatch(r"(cpu|cuda|mps|xpu)(:\d{1,2})?", device):
        raise refusal(codec, "device", device, "PyTorch's names: cpu, cuda, cuda:1, mps, xpu")


def check_fields(codec: Any) -> None:
    """Read and check the options of a dataclass' new instance in place."""
    hints = get_type_hints(type(codec))
    for key, item in option_fields(type(codec)).items():
        if item.init:
            value = read(codec.name, key, getattr(codec, item.name), hints[item.name])
            object.__setattr__(codec, item.name, value)


def read_arguments(codec: Any, name: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a constructor's arguments from their texts: by their annotations, else by the defaults' types."""
    parameters = inspect.signature(codec).parameters
    try:
        hints = get_type_hints(codec.__init__)
    except NameError:  # an annotation that only a type checker sees
        hints = {}
    found = {}
    for key, text in texts.items():
        kind = type(parameters[key].default)
        found[key] = read(name, key, text, hints.get(key, kind if kind in (bool, str) else int | float | str))
    return found


def arguments(codec: Any) -> dict[str, str]:
    """Return the texts of a constructor's arguments that make `codec`, as far as it says; defaults are left out."""
    if is_dataclass(codec):
        given = {
            key: getattr(codec, item.name)
            for key, item in option_fields(type(codec)).items()
            if item.init and getattr(codec, item.name) != item.default
        }
    else:
        given = {key: value for key, value in codec.options.items() if key in inspect.signature(type(codec)).parameters}
    return {key: spelled(value) for key, value in given.items()}


def spelled(value: object) -> str:
    """Return `value` as a spec has it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _as(value: Any, hint: Any) -> Any:
    """Return `value` as `hint` wants it, or raise :class:`ValueError`."""
    if get_origin(hint) is Literal:
        return _chosen(value, get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return _as_one_of(value, get_args(hint))
    return _READERS[hint](value) if hint in _READERS else value


def _as_one_of(value: Any, hints: tuple[Any, ...]) -> Any:
    for hint in sorted(hints, key=lambda some: some is not NoneType):  # which a text would take for its own
        try:
            return _as(value, hint)
        except ValueError:
            continue
    raise ValueError


def _chosen(value: Any, allowed: tuple[Any, ...]) -> Any:
    for item in allowed:
        if spelled(value) == spelled(item):
            return item
    raise ValueError


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str | os.PathLike):
        raise ValueError
    return os.fspath(value)


def _none(value: Any) -> None:
    if spelled(value).lower() != spelled(None):
        raise ValueError


_READERS: dict[Any, Callable[[Any], Any]] = {
    bool: lambda value: _chosen(value, (True, False)),
    int: _whole,
    float: _number,
    str: _text,
    NoneType: _none,
}
_KINDS = {bool: "true, false", int: "whole numbers", float: "numbers", str: "texts", NoneType: "None"}


def _allowed(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(map(spelled, get_args(hint)))
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(_allowed, get_args(hint)))
    return _KINDS[hint]
