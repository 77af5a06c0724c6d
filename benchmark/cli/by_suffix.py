"""Choosing a codec by a file's ending."""

from pathlib import Path

from isorate.codecs.base import Codec
from isorate.codecs.registry import CodecSpec
from isorate.errors import UsageError

BY_SUFFIX = {
    ".iso": "learned",
    ".bpg": "bpg",
    ".jp2": "jpeg2000:container=jp2",
    ".j2k": "jpeg2000",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
}


def codec_for(path: Path, chosen: str | None) -> Codec:
    """Return the codec that the user chose, or the one that `path`'s ending names.

    Raises
    ------
    UsageError
        When neither names one.
    """
    text = chosen or BY_SUFFIX.get(path.suffix.lower())
    if text is None:
        raise UsageError(f"{path}: no codec for the ending {path.suffix!r}; name it with --codec (see: isorate codecs)")
    return CodecSpec.parse(text).create()
