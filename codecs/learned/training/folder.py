"""Whether a folder can take what a long computation will write, and whether it is the only one that writes there."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from isorate.errors import UsageError

LOCK = ".lock"


def make_folder(path: Path) -> None:
    """Make the folder at `path` where it is missing, and see that a file can be written there.

    Raises
    ------
    UsageError
        When it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UsageError(
            f"{path}: no folder that can be written to ({error.strerror or error}); choose another one with -o"
        ) from None


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the folder at `path` against other processes; the system lets go of it however this one ends.

    Raises
    ------
    UsageError
        When another process holds it, or the lock cannot be had.
    """
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"{path}: another process is training there; wait for its end, or choose another folder with -o"
        ) from None
    except (OSError, NotImplementedError) as error:  # the latter on a file system without locks
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        raise UsageError(
            f"{path / LOCK}: cannot be locked ({reason}); remove it, or choose another folder with -o"
        ) from None
    try:
        yield
    finally:
        lock.release()
        if [file.name for file in path.iterdir()] == [LOCK]:  # what wrote nothing leaves nothing
            (path / LOCK).unlink(missing_ok=True)
