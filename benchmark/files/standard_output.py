"""Standard output is for a command's own words, which a script reads as JSON: whatever else prints goes elsewhere.

A codec, a library in C that it loads and a program that it starts all know file descriptor 1.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

STDOUT, STDERR = 1, 2

_own: list[int] = []
"""The descriptor that standard output has meanwhile, if any."""


class _Named(io.FileIO):
    """A file whose errors say that it is standard output, which has no path."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from None


@contextmanager
def own_standard_output() -> Iterator[None]:
    """Keep standard output for ``sys.stdout`` alone; descriptor 1 leads to standard error meanwhile.

    Where ``sys.stdout`` is something else, as in a test or a notebook, nothing happens.
    """
    before = sys.stdout
    if not isinstance(before, io.TextIOWrapper) or _number(before) != STDOUT or _own:
        yield
        return
    before.flush()
    kept = os.dup(STDOUT)  # no program that is started inherits it
    _point_at_stderr()
    file = _Named(kept, "w")
    # Where PYTHONUNBUFFERED is set, each word goes out at once.
    buffer = io.BufferedWriter(file) if isinstance(before.buffer, io.BufferedWriter) else file
    ours = io.TextIOWrapper(
        buffer, before.encoding, before.errors, line_buffering=before.line_buffering,
        write_through=before.write_through,
    )  # fmt: skip
    sys.stdout = ours
    _own.append(kept)
    try:
        yield
    finally:
        _own.clear()
        sys.stdout = before
        try:
            ours.flush()
        except (OSError, ValueError):  # told already; the words that are left would be told once more
            forget_output(ours)
        os.dup2(kept, STDOUT)
        with suppress(OSError, ValueError):
            ours.close()


def keep_off_standard_output() -> None:
    """Point this process's standard output at standard error, for good: of a worker, which only codecs let print."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError):
        _point_at_stderr()
    sys.stdout = sys.stderr


def others_talk() -> AbstractContextManager[object]:
    """Let code of others run: what it prints in Python goes to standard error as well."""
    return redirect_stdout(sys.stderr)


def forget_output(stream: TextIO) -> None:
    """Forget what a stream could not take: Python would fail on it once more when it exits."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_output(path: Path) -> BinaryIO:
    """Open a device or a pipe for writing; ``/dev/stdout``, by any of its names, is what ``sys.stdout`` writes to."""
    return os.fdopen(os.dup(_own[0]), "wb") if _own and _is_standard_output(path) else path.open("wb")


def _is_standard_output(path: Path) -> bool:
    names = {Path(f"/proc/{owner}/fd/{STDOUT}") for owner in ("self", "thread-self", os.getpid())}
    names |= {Path(f"/dev/fd/{STDOUT}"), Path("/dev/stdout")}
    at = Path(os.path.abspath(path))  # noqa: PTH100  (a link is followed step by step, and not to what it holds)
    for _ in range(40):
        if at in names:
            return True
        if not at.is_symlink():
            break
        at = at.parent / at.readlink()
    return False


def _point_at_stderr() -> None:
    try:
        os.dup2(STDERR, STDOUT)
    except OSError:  # closed by whoever started us
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDOUT)
        os.close(nowhere)


def _number(stream: TextIO) -> int:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return -1
