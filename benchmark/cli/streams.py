"""A codec's file that the user names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isorate.errors import BitstreamError, ImageError


@contextmanager
def stream_of(path: Path) -> Iterator[bytes]:
    """Give the content of a codec's file; what is found wrong with it inside is told with the file's name.

    Raises
    ------
    ImageError
        When it cannot be read.
    BitstreamError
        When a codec that was given the content refuses it.
    """
    from isorate.files.plain import LARGEST_PICTURE, read_plain

    try:
        data = read_plain(path, LARGEST_PICTURE)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        yield data
    except BitstreamError as error:
        raise BitstreamError(f"{path}: {error}") from None
