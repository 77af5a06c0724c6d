"""A codec's file that the user names."""

from pathlib import Path

from isorate.errors import ImageError


def read_stream(path: Path) -> bytes:
    """Return the content of a codec's file.

    Raises
    ------
    ImageError
        When it cannot be read.
    """
    from isorate.files.plain import LARGEST_PICTURE, read_plain

    try:
        return read_plain(path, LARGEST_PICTURE)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from None
