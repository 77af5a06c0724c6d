"""A codec that is only a command line: two programs, described in a configuration, run without a shell."""

import re
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image as PillowImage

from isorate.codecs.base import Codec, Knob, Option
from isorate.codecs.options import refusal
from isorate.codecs.pillow_decode import decode_with_pillow
from isorate.codecs.program import quoted, run_program
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, UsageError
from isorate.files.code import code_at, file_digest
from isorate.files.numbers import LARGEST_NUMBER, is_finite
from isorate.files.plain import LARGEST_PICTURE
from isorate.image import MAX_PIXELS, Image, size_problem
from isorate.pictures.files import save_picture

PICTURE = "png"
PICTURE_FORMATS = {"png": "PNG", "ppm": "PPM", "bmp": "BMP", "tiff": "TIFF"}
TIME_LIMIT = 120.0
LONGEST_LIMIT = 1e6
"""Seconds, 11 days: the system waits for a program no longer than 24."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9._+-]+")
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a configuration says of a codec; it travels to workers by pickle.

    Attributes
    ----------
    name, label, suffix
        As in :class:`isorate.codecs.base.Codec`.
    knob
        The rate knob; its name is the placeholder that takes its value.
    encode
        The encoder's command line with ``{input}``, ``{output}`` and the knob's placeholder.
    decode
        The decoder's with ``{input}`` and ``{output}``; empty where Pillow decodes files of this suffix.
    version
        A command line whose output names the encoder's version; empty: the program's checksum stands for it.
    picture
        The format of the encoder's input and the decoder's output: ``png``, ``ppm``, ``bmp`` or ``tiff``.
    timeout
        Seconds that one run may take.
    chroma
        The chroma subsampling that the command line gives, for the rows; empty where nobody said.
    """

    name: str
    label: str
    suffix: str
    knob: Knob
    encode: str
    decode: str = ""
    version: str = ""
    picture: str = PICTURE
    timeout: float = TIME_LIMIT
    chroma: str = ""

    def check(self) -> None:
        """Raise :class:`~isorate.errors.UsageError` for a command line that cannot work."""
        if not _SUFFIX.fullmatch(self.suffix):
            raise UsageError(f"codec {self.name}: suffix is {self.suffix!r}; it is a file's ending: '.webp'")
        _check_words(self.name, "encode", self.encode, {"input", "output", self.knob.name})
        if self.decode:
            _check_words(self.name, "decode", self.decode, {"input", "output"})
        elif self.pillow_format is None:
            raise UsageError(f"codec {self.name}: Pillow decodes no {self.suffix} files; give a decode command")
        if self.picture not in PICTURE_FORMATS:
            raise refusal(self.name, "picture", self.picture, ", ".join(PICTURE_FORMATS))
        if not 0 < self.timeout <= LONGEST_LIMIT:
            raise refusal(self.name, "timeout", self.timeout, f"seconds above 0, to {LONGEST_LIMIT:g}")
        check_range(self.name, self.knob)

    @property
    def pillow_format(self) -> str | None:
        """Pillow's name of the suffix's format, or None."""
        found = PillowImage.registered_extensions().get(self.suffix)
        return found if found in PillowImage.OPEN else None

    def adapter(self) -> type["CommandLineCodec"]:
        """Return the codec's class."""
        return _adapter(self)


@cache
def _adapter(definition: CommandLine) -> type["CommandLineCodec"]:
    members: dict[str, Any] = {
        "name": definition.name, "label": definition.label, "suffix": definition.suffix, "definition": definition,
    }  # fmt: skip
    return type(f"CommandLine_{definition.name}", (CommandLineCodec,), members)


def make(definition: CommandLine) -> "CommandLineCodec":
    """Return the codec of a definition."""
    return definition.adapter()()


class CommandLineCodec(Codec):
    """Runs a definition's programs; :meth:`CommandLine.adapter` makes a class of it for each definition."""

    definition: ClassVar[CommandLine]

    def __reduce__(self) -> tuple[Any, ...]:
        return make, (self.definition,)

    @property
    def knob(self) -> Knob:
        """The configured knob."""
        return self.definition.knob

    @property
    def backend(self) -> str:
        """What the version command prints, else the program's name and checksum."""
        program = _program(self.name, self.definition.encode)
        if self.definition.decode:
            _program(self.name, self.definition.decode)
        if self.definition.version:
            words = tuple(file_digest(file) for file in _files(self.definition.version))
            return _version(self.definition.name, self.definition.version, self.definition.timeout, words)
        return f"{Path(program).name} (SHA-256 {file_digest(Path(program))[:12]})"

    @property
    def encoder_files(self) -> Sequence[Path]:
        """Every word of the encoder's command line that is a file or a program: scripts, tables, the program itself."""
        return _files(self.definition.encode)

    @property
    def decoder_files(self) -> Sequence[Path]:
        """The same of the decoder's command line."""
        return _files(self.definition.decode)

    @property
    def options(self) -> dict[str, Option]:
        """Both command lines, and the format of the pictures where it is not PNG: programs go by endings."""
        found: dict[str, Option] = {"encode": self.definition.encode, "decode": self.definition.decode or "Pillow"}
        if self.definition.picture != PICTURE:
            found["picture"] = self.definition.picture
        if self.definition.chroma:
            found["chroma"] = self.definition.chroma
        return found

    def encode(self, image: Image, knob: float) -> bytes:
        """Return the file that the encoder writes."""
        if problem := size_problem(image.shape[1], image.shape[0]):
            raise CodecError(f"{self.name}: {problem}")
        with tempfile.TemporaryDirectory(prefix="isorate-command-") as folder:
            source = Path(folder) / f"image.{self.definition.picture}"
            target = Path(folder) / f"image{self.suffix}"
            source.write_bytes(save_picture(image, PICTURE_FORMATS[self.definition.picture]))
            value = f"{knob:.0f}" if self.knob.integer else repr(float(knob))
            said = self._run(self.definition.encode, source, target, {self.knob.name: value})
            if not target.is_file() or not target.stat().st_size:
                raise CodecError(f"{self.name}: the encoder wrote nothing at {self.knob.name} {value}{quoted(said)}")
            return target.read_bytes()

    def decode(self, data: bytes) -> Image:
        """Return the pixels that the decoder writes, or Pillow's."""
        if not self.definition.decode:
            return decode_with_pillow(data, self.definition.pillow_format or "")
        with tempfile.TemporaryDirectory(prefix="isorate-command-") as folder:
            source = Path(folder) / f"image{self.suffix}"
            target = Path(folder) / f"decoded.{self.definition.picture}"
            source.write_bytes(data)
            try:
                said = self._run(self.definition.decode, source, target, {})
            except CodecUnavailableError:
                raise
            except CodecError as error:
                raise BitstreamError(str(error)) from None
            if not target.is_file():
                raise BitstreamError(f"{self.name}: the decoder wrote nothing{quoted(said)}")
            if (size := target.stat().st_size) > LARGEST_PICTURE:
                raise BitstreamError(f"{self.name}: the decoder wrote {size} bytes: no picture of {MAX_PIXELS} pixels")
            try:
                return decode_with_pillow(target.read_bytes(), PICTURE_FORMATS[self.definition.picture])
            except BitstreamError as error:
                raise BitstreamError(f"{self.name}: the decoder's picture: {error}{quoted(said)}") from None

    def _run(self, text: str, source: Path, target: Path, values: dict[str, str]) -> str:
        filled = {"input": str(source), "output": str(target), **values}
        words = [_PLACEHOLDER.sub(lambda found: filled[found[1]], word) for word in shlex.split(text)]
        return run_program([_program(self.name, text), *words[1:]], self.name, self.definition.timeout, "timeout")


def _check_words(name: str, key: str, text: str, wanted: set[str]) -> None:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"codec {name}: {key}: {error}") from None
    if not words:
        raise UsageError(f"codec {name}: {key} is empty; give the program and its arguments")
    found = set(_PLACEHOLDER.findall(text))
    if missing := sorted(wanted - found):
        raise UsageError(f"codec {name}: {key} lacks {', '.join(f'{{{m}}}' for m in missing)}")
    if unknown := sorted(found - wanted):
        known = ", ".join(f"{{{w}}}" for w in sorted(wanted))
        raise UsageError(f"codec {name}: {key} has {{{unknown[0]}}}; the placeholders are {known}")


def _program(name: str, text: str) -> str:
    program = shlex.split(text)[0]
    found = shutil.which(program)
    if found is None:
        raise CodecUnavailableError(f"{name}: {program} is no program on PATH; install it, or write its full path")
    return found


def _files(text: str) -> list[Path]:
    """Return the words of a command line that are files, also behind ``--option=``, or programs on PATH.

    A Python script brings the modules along that it imports from beside itself, which is beside the file that a link
    leads to; ``-m NAME`` stands for a module or package of the current folder.
    """
    found: dict[Path, None] = {}
    words = shlex.split(text)
    for before, word in zip(["", *words], words, strict=False):
        places = [_module(word)] if before == "-m" else [_file(part) for part in (word, word.partition("=")[2]) if part]
        for place in filter(None, places):
            found.update(dict.fromkeys(path for _, path in sorted(code_at([place.absolute()]))))
    return list(found)


def _file(word: str) -> Path | None:
    found = word if Path(word).is_file() else shutil.which(word)
    return Path(found) if found else None


def _module(name: str) -> Path | None:
    package = Path(*name.split("."))
    module = package.with_name(f"{package.name}.py") if package.name else package
    return next((place for place in (package, module) if place.is_file() or (place / "__main__.py").is_file()), None)


@cache
def _version(name: str, text: str, timeout: float, _files: tuple[str, ...]) -> str:
    """Return what the version command prints; once for its programs and scripts as they are."""
    program = _program(name, text)
    printed = run_program([program, *shlex.split(text)[1:]], name, timeout, "timeout", accept=lambda _: True)
    lines = [line.strip() for line in printed.splitlines() if re.search(r"\d", line)]
    if not lines:
        raise CodecUnavailableError(f"{name}: {text!r} prints no version; correct version, or leave it out")
    line = lines[0][:80]
    return line if Path(program).name.lower() in line.lower() else f"{Path(program).name} {line}"


def check_range(name: str, knob: Knob) -> None:
    """Raise :class:`~isorate.errors.UsageError` for a knob of any codec whose range cannot stand in a run."""
    for key, bound in (("low", knob.low), ("high", knob.high)):
        if not is_finite(bound):
            raise UsageError(
                f"codec {name}: the knob's {key} is {bound:g}; a number from {-LARGEST_NUMBER:g} to "
                f"{LARGEST_NUMBER:g} is needed"
            )
    if not knob.low < knob.high:
        raise UsageError(f"codec {name}: the knob's range {knob.low:g}..{knob.high:g} is empty; low must be below high")


def check_knob(name: str, knob: Knob) -> None:
    """Raise :class:`~isorate.errors.UsageError` for a knob whose range cannot be searched."""
    check_range(name, knob)
    if knob.log and knob.low <= 0:
        raise UsageError(f"codec {name}: log = true needs a knob above 0, and low is {knob.low:g}")
    if knob.default is not None and knob.clip(knob.default) != knob.default:
        raise UsageError(f"codec {name}: default {knob.default:g} is outside the knob's range")
