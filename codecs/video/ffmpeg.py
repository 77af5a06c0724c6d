"""One picture through the FFmpeg program that imageio-ffmpeg brings: vvenc and libaom, which PyAV's wheel lacks."""

import re
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from isorate.codecs.bpg.colour import Plane
from isorate.codecs.program import quoted, run_program, time_limit
from isorate.errors import CodecError, CodecUnavailableError
from isorate.ffmpeg import find_ffmpeg, lacks, version_in
from isorate.files.code import file_digest

TIME_LIMIT_VARIABLE = "ISORATE_FFMPEG_TIMEOUT"
"""The environment variable that sets another limit, in seconds."""
TIME_LIMIT, TIME_LIMIT_PER_MEGAPIXEL = 120.0, 300.0
"""Seconds that one encode may take at first and for each megapixel;
:data:`~isorate.codecs.video.ffmpeg.TIME_LIMIT_VARIABLE` sets another limit."""

QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
COLOUR = ("-color_range", "pc", "-colorspace", "smpte170m", "-color_primaries", "bt709", "-color_trc", "iec61966-2-1")
"""FFmpeg's names of the code points in :mod:`isorate.codecs.video.ycbcr`; full range."""
_VERSIONS = {"libvvenc": rb"libvvenc version: (\S+)", "libaom-av1": rb"\[libaom-av1 @ \w+\] v?(\d\S*)"}
"""How FFmpeg, told to be verbose, says the version of an encoder."""


def version(codec: str, encoder: str) -> str:
    """Return the versions of an encoder and of the FFmpeg that holds it.

    Raises
    ------
    CodecUnavailableError
        When FFmpeg is missing, or was built without this encoder.
    """
    path = find_ffmpeg(codec, CodecUnavailableError)
    return _version(codec, encoder, path, file_digest(path))


@cache
def _version(codec: str, encoder: str, path: Path, _content: str) -> str:
    said = run_program([str(path), "-version"], codec, TIME_LIMIT, TIME_LIMIT_VARIABLE)
    flat = "color=size=64x64:rate=25,format=yuv420p10le"
    words = ["-hide_banner", "-nostdin", "-loglevel", "verbose", "-f", "lavfi", "-i", flat, "-frames:v", "1"]
    command = [str(path), *words, "-c:v", encoder, "-f", "null", "-"]
    try:
        printed = run_program(command, codec, TIME_LIMIT, TIME_LIMIT_VARIABLE)
    except CodecError as error:
        raise CodecUnavailableError(lacks(codec, path, encoder, error)) from None
    found = re.search(_VERSIONS[encoder], printed.encode())
    library = found[1].decode() if found else "of unknown version"
    name = {"libvvenc": "vvenc", "libaom-av1": "libaom"}[encoder]
    return f"{name} {library} via {version_in(said)}"


def encode(codec: str, planes: Sequence[Plane], pixel_format: str, words: Sequence[str], suffix: str) -> bytes:
    """Return the file that FFmpeg writes for one picture, coded on one thread.

    Parameters
    ----------
    codec
        Who asks, for the messages.
    planes
        Y, Cb and Cr in full-range BT.601.
    pixel_format
        FFmpeg's name of their format.
    words
        The encoder, its options and the container, as FFmpeg's arguments.
    suffix
        The file's ending.

    Raises
    ------
    CodecError
        When FFmpeg fails, writes nothing, or runs past the time limit.
    """
    height, width = planes[0].shape
    with tempfile.TemporaryDirectory(prefix="isorate-ffmpeg-") as folder:
        source, target = Path(folder) / "picture.yuv", Path(folder) / f"picture{suffix}"
        source.write_bytes(b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes))
        raw = ["-f", "rawvideo", "-pixel_format", pixel_format, "-video_size", f"{width}x{height}"]
        command = [
            str(find_ffmpeg(codec, CodecUnavailableError)), *QUIET, "-threads", "1", *raw, *COLOUR, "-i", str(source),
            "-frames:v", "1", "-threads", "1", *COLOUR, *words, str(target),
        ]  # fmt: skip
        limit = time_limit(codec, TIME_LIMIT_VARIABLE, TIME_LIMIT + TIME_LIMIT_PER_MEGAPIXEL * height * width / 1e6)
        said = run_program(command, codec, limit, TIME_LIMIT_VARIABLE)
        if not target.is_file() or not target.stat().st_size:
            raise CodecError(f"{codec}: FFmpeg wrote nothing for a picture of {width}×{height}{quoted(said)}")
        return target.read_bytes()
