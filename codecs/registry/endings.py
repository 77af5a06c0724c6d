"""Choosing a codec by a file's ending: every adapter says which it writes."""

from collections import defaultdict
from pathlib import Path

from isorate.codecs.base import Codec
from isorate.codecs.registry.adapters import BUILT_IN, adapter, names
from isorate.codecs.registry.spec import CodecSpec
from isorate.errors import CodecUnavailableError, UsageError


def codec_for(path: Path, chosen: str | None = None) -> Codec:
    """Return the codec that the user chose, or the one that `path`'s ending names.

    Raises
    ------
    UsageError
        When neither names one, or several codecs have that ending.
    """
    if chosen is not None:
        return CodecSpec.parse(chosen).create()
    known = _by_ending()
    found = known.get(path.suffix.lower(), [])
    if not found:
        raise UsageError(
            f"{path}: no codec has the ending {path.suffix!r} (there are {', '.join(sorted(known))}); name one with "
            "--codec (see: isorate codecs)"
        )
    if len(found) > 1:
        raise UsageError(f"{path}: several codecs have this ending; name one with --codec: {', '.join(found)}")
    return CodecSpec.parse(found[0]).create()


def _by_ending() -> dict[str, list[str]]:
    """Return the specs that each ending stands for: of built-in codecs the first of the table alone."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in names():
        try:
            kind = adapter(name)
        except CodecUnavailableError:
            continue  # its package cannot be imported: it has no ending to offer
        ending = kind.suffix.lower()
        if not (name in BUILT_IN and found[ending]):
            found[ending].append(name)
        for ending, options in kind.other_suffixes.items():
            found[ending].append(f"{name}:{options}" if options else name)
    return found
