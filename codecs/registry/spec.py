"""A codec by its name and options."""

import inspect
import pickle
from dataclasses import dataclass
from typing import Any

import cloudpickle

from isorate.codecs.base import Codec
from isorate.codecs.command_line import CommandLine, CommandLineCodec
from isorate.codecs.options import arguments, read_arguments, spelled
from isorate.codecs.registry import adapters
from isorate.errors import IsorateError, UsageError


@dataclass(frozen=True, slots=True)
class CodecSpec:
    """A codec's name and options: what a configuration says and what travels to worker processes.

    Attributes
    ----------
    name
        A registered name, or that of `instance`.
    options
        Arguments of the adapter as they are written, as sorted pairs.
    command_line
        The definition of a codec that a configuration file describes; None for an adapter in Python.
    instance
        A codec that name and options do not make: of a class that is not registered. One that no module holds (of a
        script, a notebook or a function) travels with its class.
    """

    name: str
    options: tuple[tuple[str, str], ...] = ()
    command_line: CommandLine | None = None
    instance: Codec | None = None

    @classmethod
    def parse(cls, text: str) -> "CodecSpec":
        """Return the spec that ``name`` or ``name:key=value,key=value`` describes.

        Raises
        ------
        UsageError
            When the text has another form, or an option twice.
        """
        name, _, rest = text.partition(":")
        pairs: dict[str, str] = {}
        for part in filter(None, rest.split(",")):
            key, equals, value = part.partition("=")
            if not equals:
                raise UsageError(f"codec {text!r}: {part!r} is not of the form key=value")
            if (key := key.strip()) in pairs:
                raise UsageError(f"codec {text!r}: option {key} is there twice; give it once")
            pairs[key] = _value(value.strip())
        return cls(name.strip(), tuple(sorted(pairs.items())), adapters.configured(name.strip()))

    @classmethod
    def of(cls, codec: "Codec | str") -> "CodecSpec":
        """Return the spec of a codec, or the one that a text describes.

        Name and options alone where they make the same codec; else the spec holds the codec itself.

        Raises
        ------
        UsageError
            When the codec has the name of another, or cannot travel to worker processes.
        """
        if isinstance(codec, str):
            return cls.parse(codec)
        if isinstance(codec, CommandLineCodec):
            return cls(codec.name, (), codec.definition)
        if codec.name in adapters.names() and adapters.adapter(codec.name) is not type(codec):
            raise UsageError(
                f"codec {codec.name}: {type(codec).__name__} has a registered codec's name; choose another"
            )
        spec = cls(codec.name, tuple(sorted(arguments(codec).items())))
        if spec._makes(codec):
            return spec
        try:
            cloudpickle.dumps(codec)
        except Exception as error:  # whatever the codec's attributes raise
            raise UsageError(
                f"codec {codec.name}: it does not pickle, as worker processes need it ({error}); load heavy things on "
                "first use"
            ) from None
        return cls(spec.name, spec.options, instance=codec)

    def __reduce__(self) -> tuple[Any, ...]:
        held = None if self.instance is None else cloudpickle.dumps(self.instance)
        return _arrived, (self.name, self.options, self.command_line, held)

    def _makes(self, codec: Codec) -> bool:
        try:
            return CodecSpec.parse(self.text).create() == codec
        except IsorateError:
            return False

    @property
    def options_text(self) -> str:
        """The options as they are written: ``key=value,key=value``."""
        return ",".join(f"{key}={value}" for key, value in self.options)

    @property
    def text(self) -> str:
        """The spec as it is written; :meth:`parse` reads it back."""
        return f"{self.name}:{self.options_text}" if self.options else self.name

    def adapter(self) -> type[Codec]:
        """Return the adapter's class; see :meth:`create` for what it raises."""
        if self.instance is not None:
            return type(self.instance)
        return adapters.adapter(self.name) if self.command_line is None else self.command_line.adapter()

    def create(self) -> Codec:
        """Return the adapter.

        Raises
        ------
        UsageError
            For an unknown name or option; the message offers the nearest one. For a value that is not allowed.
        CodecUnavailableError
            When the adapter's dependency is missing.
        """
        if self.instance is not None:
            return self.instance
        adapter = self.adapter()
        accepted = inspect.signature(adapter).parameters
        for key, _ in self.options:
            if key not in accepted:
                raise UsageError(f"codec {self.name}: no option {key!r}{adapters.nearest(key, list(accepted))}")
        with adapters.CODECS.others_code(self.name, "cannot be made"):
            return adapter(**read_arguments(adapter, self.name, dict(self.options)))


def _arrived(
    name: str, options: tuple[tuple[str, str], ...], command_line: CommandLine | None, held: bytes | None
) -> CodecSpec:
    return CodecSpec(name, options, command_line, None if held is None else pickle.loads(held))  # noqa: S301  our own bytes


def _value(text: str) -> str:
    return text.lower() if text.lower() in (spelled(True), spelled(False)) else text
