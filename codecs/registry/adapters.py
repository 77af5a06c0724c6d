"""Names and adapters: one lazy table, installed packages' ``isorate.codecs`` entry points, configured command lines."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points

from isorate.codecs.base import Codec
from isorate.codecs.command_line import CommandLine
from isorate.errors import CodecError, CodecUnavailableError, IsorateError, UsageError
from isorate.files.standard_output import others_talk
from isorate.plugins import OTHER_NAME, TELL, Offers, Plugins, by_name, said, several
from isorate.plugins import ignored as ignored_offers

ENTRY_POINT_GROUP = "isorate.codecs"
CODECS = Plugins("codec", Codec, ("name", "label", "suffix"), CodecUnavailableError)  # type: ignore[type-abstract]

BUILT_IN = {
    "learned": "isorate.codecs.learned:LearnedCodec",
    "bpg": "isorate.codecs.bpg:Bpg",
    "jpeg2000": "isorate.codecs.jpeg2000:Jpeg2000",
    "jpeg": "isorate.codecs.jpeg:Jpeg",
    "webp": "isorate.codecs.webp:WebP",
    "avif": "isorate.codecs.avif:Avif",
    "svtav1": "isorate.codecs.svtav1:SvtAv1",
    "av1": "isorate.codecs.av1:Av1",
    "vvc": "isorate.codecs.vvc:Vvc",
    "heif": "isorate.codecs.heif:Heif",
    "jxl": "isorate.codecs.jxl:Jxl",
    "overfitted": "isorate.codecs.overfitted:OverfittedCodec",
    "overfitted-shipped": "isorate.codecs.overfitted:ShippedOverfitted",
    "compressai": "isorate.codecs.compressai:CompressAI",
}

_CONFIGURED: dict[str, CommandLine] = {}


def names() -> list[str]:
    """Return every known codec, the project's own first."""
    return [*BUILT_IN, *sorted((set(_plugins()) | set(_CONFIGURED)) - set(BUILT_IN))]


def ignored() -> dict[str, str]:
    """Return why plug-ins are not used whose names are taken, by their name and package."""
    taken = dict.fromkeys(BUILT_IN, f"a built-in codec's name; {OTHER_NAME}")
    taken |= dict.fromkeys(
        _CONFIGURED, "the name of a codec of your configuration; choose another name there to use it"
    )
    return ignored_offers("codec", _plugins(), taken)


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


def configured(name: str) -> CommandLine | None:
    """Return the configuration's command line of that name."""
    return _CONFIGURED.get(name)


def adapter(name: str) -> type[Codec]:
    """Return the class of a codec.

    Raises
    ------
    UsageError
        For an unknown name; the message offers the nearest one.
    CodecUnavailableError
        When the module that holds it cannot be imported, or packages offer several of this name.
    """
    if definition := configured(name):
        return definition.adapter()
    if name in BUILT_IN:
        return CODECS.load(name, BUILT_IN[name])
    offers = _plugins().get(name, ())
    if not offers:
        raise UsageError(f"no codec {name!r}{nearest(name, names())}")
    if len(offers) > 1:
        raise CodecUnavailableError(f"codec {name}: {several(offers)}")
    return CODECS.load(name, offers[0].value)


@contextmanager
def at_work(codec: Codec) -> Iterator[None]:
    """Let a codec work or say what it is: what another package's raises is its error and no fault of isorate.

    Raises
    ------
    CodecError
        In place of whatever is not an :class:`~isorate.errors.IsorateError`.
    """
    try:
        with others_talk():
            yield
    except IsorateError:
        raise
    except (Exception, SystemExit) as error:
        if type(codec).__module__.partition(".")[0] == __name__.partition(".")[0]:
            raise
        raise CodecError(f"codec {codec.name}: fails: {said(error)}; {TELL}") from error


def nearest(word: str, known: list[str]) -> str:
    """Return the tail of a message: the word that was meant, or all there are."""
    found = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {found[0]!r}?" if found else f"; there are: {', '.join(known)}"


@cache
def _plugins() -> Offers:
    return by_name(entry_points(group=ENTRY_POINT_GROUP))
