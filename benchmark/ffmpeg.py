"""Where FFmpeg is, for the codecs and the metrics that it brings: one look-up, one set of messages."""

import re
import shutil
from pathlib import Path
from typing import TypeAlias

from isorate.errors import CodecUnavailableError, MetricUnavailableError

Unavailable: TypeAlias = type[CodecUnavailableError] | type[MetricUnavailableError]
"""How who asks says that it cannot run."""


def find_ffmpeg(asker: str, unavailable: Unavailable) -> Path:
    """Return the absolute path of FFmpeg: imageio-ffmpeg's own, or the path or name in ``IMAGEIO_FFMPEG_EXE``.

    Parameters
    ----------
    asker
        The codec or metric, for the messages.
    unavailable
        The error to raise.

    Raises
    ------
    CodecUnavailableError, MetricUnavailableError
        Whichever was given, when there is none; the message says what to install or to unset.
    """
    try:
        import imageio_ffmpeg

        name = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise unavailable(f"{asker}: {error}; pip install 'isorate[ffmpeg]'") from None
    found = shutil.which(name)
    if found is None:
        raise unavailable(f"{asker}: {name} is no program here; unset IMAGEIO_FFMPEG_EXE")
    return Path(found).absolute()


def lacks(asker: str, program: Path, what: str, error: Exception) -> str:
    """Return the message that this FFmpeg lacks `what`, with the remedy."""
    remedy = "unset IMAGEIO_FFMPEG_EXE, or pip install --upgrade 'isorate[ffmpeg]'"
    return f"{asker}: {program} has no working {what} ({error}); {remedy}"


def version_in(printed: str) -> str:
    """Return the version in what ``ffmpeg -version`` prints."""
    found = re.search(r"ffmpeg version (\S+)", printed)
    return f"FFmpeg {found[1] if found else 'of unknown version'}"
