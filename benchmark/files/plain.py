"""Reading files that others name or made: a pipe is not waited for, and what is huge never fills memory."""

import errno
import os
from pathlib import Path

from isorate.image import MAX_PIXELS

LARGEST_TEXT = 2**28
"""Bytes of a manifest, a row, a baseline or a table: far above those of a run of a hundred thousand images."""
LARGEST_SETTINGS = 2**24
"""Bytes of a text that people write."""
LARGEST_PICTURE = 8 * MAX_PIXELS + 2**20
"""Bytes of a stream or a picture: four samples of 16 bits a pixel as they are, and some more."""
_HANDLES = (Path("/proc"), Path("/dev/fd"))


def not_plain(path: Path, most: int) -> str | None:
    """Return why a file that exists is not read: it has more than `most` bytes, or is something else.

    ``/dev/null`` is empty, and a pipe that this process has (a shell's ``<(…)``) is being written.
    """
    if path.is_file():
        return f"has more than {most} bytes, the most that is read" if path.stat().st_size > most else None
    return None if is_handle(path) or path.samefile(os.devnull) else "is no plain file"


def read_plain(path: Path, most: int) -> bytes:
    """Return the content of a file of at most `most` bytes; see :func:`not_plain`.

    Raises
    ------
    OSError
        When it cannot be read or is no such file: at once, whatever it is.
    """
    why = not_plain(path, most) if path.exists() and not path.is_dir() else None  # a folder is told by the system
    if why is None:
        with path.open("rb") as file:
            expected = path.stat().st_size
            data = file.read(expected + 1)  # a read takes the memory that it is asked for
            if len(data) > expected:  # a pipe, or a file that grows
                data += file.read(max(0, most + 1 - len(data)))
        if len(data) <= most:
            return data
        why = f"has more than {most} bytes, the most that is read"
    raise OSError(errno.EINVAL, why, str(path))


def is_handle(path: Path) -> bool:
    """Whether the path, which exists, leads to an open file of a process, as ``/dev/stdout`` does."""
    while not any(path.is_relative_to(folder) for folder in _HANDLES):
        if not path.is_symlink():
            return False
        path = path.parent / path.readlink()
    return True
