"""What the fields of a configuration may hold: declared as their types, checked where the configuration is made."""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from msgspec import Meta

from isorate.errors import UsageError
from isorate.files.typed_json import fit

SHOWN = 80
"""How many characters of a refused value a message shows."""

Count: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000)]
Whole: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
LogLmbda: TypeAlias = Annotated[float, Meta(ge=-10, le=4)]
"""log10 λ."""


def check_fields(configuration: Any, where: str) -> None:
    """Hold every field of a dataclass, whose table is called `where`, against its type and bounds.

    What fits becomes exactly the declared type: a whole number a float, a list a tuple.

    Raises
    ------
    UsageError
        For the first field that does not fit; the message says what may stand there.
    """
    for name, hint in _hints(configuration.__class__).items():
        value = getattr(configuration, name)
        try:
            object.__setattr__(configuration, name, fit(value, hint))
        except ValueError:
            raise UsageError(f"{where}.{name} is {repr(value)[:SHOWN]}; {_needed(hint)}") from None


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _needed(hint: Any) -> str:
    if get_origin(hint) is Literal:
        *others, last = get_args(hint)
        return f"known are {', '.join(others)} and {last}"
    if get_origin(hint) is tuple:
        return f"it must be a list, each {_named(get_args(hint)[0])}"
    return f"it must be {_named(hint)}"


def _named(hint: Any) -> str:
    kind, *bounds = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    return " ".join([names.get(kind, "a table"), *(part for meta in bounds for part in _limits(meta))])


def _limits(meta: Meta) -> Iterator[str]:
    for word, value in (
        ("from", meta.ge),
        ("above", meta.gt),
        ("to", meta.le),
        ("below", meta.lt),
        ("that is a multiple of", meta.multiple_of),
    ):
        if value is not None:
            yield f"{word} {value:g}" if isinstance(value, float) else f"{word} {value}"
