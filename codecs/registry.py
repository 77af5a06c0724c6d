"""Finding codecs by name: one lazy table, plus what installed packages offer as ``isorate.codecs`` entry points."""

import difflib
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from isorate.codecs.base import Codec, Option
from isorate.codecs.command_line import CommandLine
from isorate.errors import CodecUnavailableError, UsageError

ENTRY_POINT_GROUP = "isorate.codecs"

BUILT_IN = {
    "learned": "isorate.codecs.learned:LearnedCodec",
    "bpg": "isorate.codecs.bpg:Bpg",
    "jpeg2000": "isorate.codecs.jpeg2000:Jpeg2000",
    "jpeg": "isorate.codecs.jpeg:Jpeg",
    "compressai": "isorate.codecs.compressai:CompressAI",
}

_CONFIGURED: dict[str, CommandLine] = {}


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """A codec's name and options: what a configuration says and what travels to worker processes.

    Attributes
    ----------
    name
        A registered name.
    options
        Keyword arguments of the adapter, as sorted pairs.
    command_line
        The definition of a codec that a configuration file describes; None for an adapter in Python.
    """

    name: str
    options: tuple[tuple[str, Option], ...] = ()
    command_line: CommandLine | None = None

    @classmethod
    def parse(cls, text: str) -> "CodecSpec":
        """Return the spec that ``name`` or ``name:key=value,key=value`` describes.

        Raises
        ------
        UsageError
            When the text has another form.
        """
        name, _, rest = text.partition(":")
        pairs = []
        for part in filter(None, rest.split(",")):
            key, equals, value = part.partition("=")
            if not equals:
                raise UsageError(f"codec {text!r}: {part!r} is not of the form key=value")
            pairs.append((key.strip(), _value(value.strip())))
        return cls(name.strip(), tuple(sorted(pairs)), _CONFIGURED.get(name.strip()))

    @property
    def options_text(self) -> str:
        """The options as they are written: ``key=value,key=value``."""
        return ",".join(
            f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in self.options
        )

    @property
    def text(self) -> str:
        """The spec as it is written; :meth:`parse` reads it back."""
        return f"{self.name}:{self.options_text}" if self.options else self.name

    def adapter(self) -> type[Codec]:
        """Return the adapter's class; see :meth:`create` for what it raises."""
        return _adapter(self.name) if self.command_line is None else self.command_line.adapter()

    def create(self) -> Codec:
        """Return the adapter.

        Raises
        ------
        UsageError
            For an unknown name or option; the message offers the nearest one.
        CodecUnavailableError
            When the adapter's dependency is missing.
        """
        adapter = self.adapter()
        accepted = inspect.signature(adapter).parameters
        for key, _ in self.options:
            if key not in accepted:
                raise UsageError(f"codec {self.name}: no option {key!r}{_nearest(key, list(accepted))}")
        return adapter(**dict(self.options))


def names() -> list[str]:
    """Return every known codec, the project's own first."""
    return [*BUILT_IN, *sorted((set(_plugins()) | set(_CONFIGURED)) - set(BUILT_IN))]


def configure(definitions: Iterable[CommandLine]) -> None:
    """Make the codecs of a configuration file known by their names, in the place of those of an earlier one.

    Raises
    ------
    UsageError
        When a definition cannot work, or takes a built-in codec's name.
    """
    checked = list(definitions)
    for definition in checked:
        if definition.name in BUILT_IN:
            raise UsageError(f"codec {definition.name}: this is a built-in codec's name; choose another")
        definition.check()
    _CONFIGURED.clear()
    _CONFIGURED.update({definition.name: definition for definition in checked})


def _value(text: str) -> Option:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text in ("420", "422", "444"):
        return text  # chroma subsampling is a name, not a number
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _nearest(word: str, known: list[str]) -> str:
    found = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {found[0]!r}?" if found else f"; there are: {', '.join(known)}"


@cache
def _plugins() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}


def _adapter(name: str) -> type[Codec]:
    target = BUILT_IN.get(name) or _plugins().get(name)
    if target is None:
        raise UsageError(f"no codec {name!r}{_nearest(name, names())}")
    module, _, attribute = target.partition(":")
    try:
        adapter: type[Codec] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise CodecUnavailableError(f"codec {name}: {error}; install the package that provides it") from error
    return adapter
