"""``isorate.toml``: the user's settings in a file, checked before anything runs; the command line overrides them."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from isorate.cli.numbers import SHOWN
from isorate.codecs.base import Knob
from isorate.codecs.command_line import CommandLine, check_knob
from isorate.codecs.registry import CodecSpec, configure
from isorate.datasets.registry import is_name
from isorate.engine.plan import DEFAULT_ANCHOR, DEFAULT_CODECS
from isorate.errors import IsorateError, UsageError
from isorate.files.numbers import LARGEST_NUMBER, is_finite
from isorate.files.toml import Place, TomlFile
from isorate.gate.tolerances import Tolerances, read_tolerances
from isorate.matching.outcome import Policy
from isorate.runs.aim import SIZE
from isorate.runs.keep import Keep

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is made from: the fields are the keys of the file.

    Attributes
    ----------
    data, anchor, codecs, points, curve_points, images, metrics, match, policy, tolerance, keep, workers, scheduler, out
        As for ``isorate run``.
    crops
        The file's ``[[crop]]`` tables as TOML, for the run folder.
    tolerances
        Of ``isorate check``.
    """

    data: str = "kodak"
    anchor: str = DEFAULT_ANCHOR
    codecs: tuple[str, ...] = DEFAULT_CODECS
    points: tuple[str, ...] = ()
    curve_points: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    match: str = SIZE
    policy: Policy = Policy.NEAREST
    tolerance: float | None = None
    keep: Keep | None = None
    workers: int | None = None
    scheduler: str | None = None
    out: Path | None = None
    crops: str = ""
    tolerances: Tolerances = field(default_factory=Tolerances)

    def changed(self, **given: Any) -> "Settings":
        """Return the settings with what the command line gives, None standing for nothing given.

        Points at a knob's values are of the anchor that they were written for: another anchor leaves them out.
        """
        found = {name: value for name, value in given.items() if value is not None}
        if found.get("anchor", self.anchor).partition(":")[0] != self.anchor.partition(":")[0]:
            for name in ("points", "curve_points"):
                found.setdefault(name, tuple(point for point in getattr(self, name) if point.startswith("bpp=")))
        return replace(self, **found)


DEFAULT = Path("isorate.toml")
DEFAULT_TOLERANCE_PCT = 0.5


def settings(config: Path | None, **given: Any) -> Settings:
    """Return the settings of the configuration, overridden by those options that are not None.

    The configuration is the file that the user names, else ``isorate.toml`` of this folder, where there is one.

    Raises
    ------
    UsageError
        When the file cannot be read or says something unusable.
    """
    file = _configuration(config)
    return (Settings() if file is None else read_settings(file)).changed(**given)


def use_codecs(config: Path | None) -> None:
    """Make the command-line codecs of the configuration known, whatever else it says.

    Raises
    ------
    UsageError
        When the file cannot be read or defines an unusable codec.
    """
    file = _configuration(config)
    if file is not None:
        configure_codecs(file)


def _configuration(config: Path | None) -> TomlFile | None:
    return None if config is None and not DEFAULT.is_file() else TomlFile.read(config or DEFAULT)


PLAIN = tuple(entry.name for entry in fields(Settings) if entry.name not in ("crops", "tolerances"))
TABLES = ("codec", "crop", "tolerances")
KNOB_KEYS = ("name", "low", "high", "integer", "rising", "log", "default")
CODEC_KEYS = ("encode", "decode", "version", "label", "suffix", "picture", "timeout", "chroma", "knob")


def read_settings(file: TomlFile) -> Settings:
    """Return the settings of a configuration file; its ``[codec.…]`` become known to the registry.

    Relative paths are relative to the file.

    Raises
    ------
    UsageError
        For an unknown key or an unusable value; the message names the line.
    """
    file.check_keys(file.data, [*PLAIN, *TABLES])
    configure_codecs(file)
    found: dict[str, Any] = {}
    for key in PLAIN:
        if key in file.data:
            found[key] = _READERS[key](file, key, file.data[key])
    for key in ("anchor", "codecs"):
        for text in [found[key]] if isinstance(found.get(key), str) else found.get(key, ()):
            try:
                CodecSpec.parse(text).adapter()
            except UsageError as error:
                raise file.error((key,), str(error)) from None
            except IsorateError:
                continue  # known and not installed: the run says so in its rows
    return Settings(**found, crops=_crops(file), tolerances=read_tolerances(file))


def configure_codecs(file: TomlFile) -> None:
    """Make the command-line codecs of a file known to the registry."""
    tables = file.table(file.data, "codec")
    definitions = []
    for name in tables:
        place: Place = ("codec", name)
        table = file.table(tables, name, ("codec",))
        file.check_keys(table, CODEC_KEYS, place)
        definition = _definition(file, name, table, place)
        try:
            configure([definition])
        except UsageError as error:
            raise file.error(place, str(error)) from None
        definitions.append(definition)
    configure(definitions)


def _definition(file: TomlFile, name: str, table: dict[str, Any], place: Place) -> CommandLine:
    texts = {
        key: _text(file, (*place, key), table[key])
        for key in CODEC_KEYS
        if key in table and key not in ("knob", "timeout")
    }
    if missing := [key for key in ("encode", "suffix", "knob") if key not in table]:
        raise file.error(place, f"codec {name} lacks {', '.join(missing)}")
    if not texts["suffix"].startswith("."):
        raise file.error((*place, "suffix"), f"suffix is {texts['suffix']!r}; it starts with a dot: '.webp'")
    knob = _knob(file, name, file.table(table, "knob", place), (*place, "knob"))
    more = {"timeout": _number(file, (*place, "timeout"), table["timeout"])} if "timeout" in table else {}
    return CommandLine(name, texts.pop("label", name), texts.pop("suffix"), knob, **texts, **more)  # type: ignore[arg-type]


def _knob(file: TomlFile, name: str, table: dict[str, Any], place: Place) -> Knob:
    file.check_keys(table, KNOB_KEYS, place)
    if missing := [key for key in ("name", "low", "high") if key not in table]:
        raise file.error(place, f"codec {name}: the knob lacks {', '.join(missing)}")
    for key in ("integer", "rising", "log"):
        if not isinstance(table.get(key, True), bool):
            raise file.error((*place, key), f"{key} is {table[key]!r}; true or false is needed")
    numbers = {
        key: _number(file, (*place, key), table[key], least=None) for key in ("low", "high", "default") if key in table
    }
    knob = Knob(
        _text(file, (*place, "name"), table["name"]), numbers["low"], numbers["high"],
        integer=table.get("integer", False), rising=table.get("rising", True), log=table.get("log", False),
        default=numbers.get("default"),
    )  # fmt: skip
    try:
        check_knob(name, knob)
    except UsageError as error:
        raise file.error(place, str(error)) from None
    return knob


def _crops(file: TomlFile) -> str:
    if "crop" not in file.data:
        return ""
    from isorate.reports.crops import read_pins

    return "\n".join(box.toml() for box in read_pins(file.text, file.where))


def _text(file: TomlFile, place: Place, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise file.error(place, f"{place[-1]} is {value!r}; a text in quotes is needed")
    return value


def _number(file: TomlFile, place: Place, value: object, least: float | None = 0.0) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (least is not None and not value > least):  # type: ignore[operator]
        raise file.error(place, f"{place[-1]} is {value!r}; a number{'' if least is None else ' above 0'} is needed")
    if not is_finite(value):  # type: ignore[arg-type]
        written = f"{value}"
        shown = written if len(written) <= SHOWN else f"{written[:SHOWN]}…"
        raise file.error(
            place, f"{place[-1]} is {shown}; a number from {-LARGEST_NUMBER:g} to {LARGEST_NUMBER:g} is needed"
        )
    return float(value)  # type: ignore[arg-type]


def _data(file: TomlFile, key: str, value: object) -> str:
    text = _text(file, (key,), value)
    return text if is_name(text) else str(_path(file, key, value))


def _path(file: TomlFile, key: str, value: object) -> Path:
    path = Path(_text(file, (key,), value))
    try:
        return Path(file.where).parent / path.expanduser()
    except RuntimeError:
        raise file.error((key,), f"{key} is {value!r}: there is no such home folder; write the path out") from None


def _texts(file: TomlFile, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise file.error((key,), f'{key} is {value!r}; a list is needed: ["…", "…"]')
    return tuple(_text(file, (key,), item) for item in value)


def _one_of(kind: type[Choice], file: TomlFile, key: str, value: object) -> Choice:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        names = list(map(str, kind))
        near = difflib.get_close_matches(str(value), names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        raise file.error((key,), f"{key} is {value!r}; {hint}") from None


def _workers(file: TomlFile, key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise file.error((key,), f"{key} is {value!r}; a whole number from 1 on is needed")
    return value


_READERS: dict[str, Callable[[TomlFile, str, object], Any]] = {
    "data": _data,
    "anchor": lambda file, key, value: _text(file, (key,), value),
    "codecs": _texts,
    "points": _texts,
    "curve_points": _texts,
    "images": _texts,
    "metrics": _texts,
    "match": lambda file, key, value: _text(file, (key,), value),
    "policy": partial(_one_of, Policy),
    "keep": partial(_one_of, Keep),
    "tolerance": lambda file, key, value: _number(file, (key,), value),
    "workers": _workers,
    "scheduler": lambda file, key, value: _text(file, (key,), value),
    "out": _path,
}
