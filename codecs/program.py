"""Running another program to its end: no shell, a time limit, its words quoted when it fails."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from isorate.errors import CodecError, CodecUnavailableError, UsageError

SHOWN = 400
"""How many characters of what a program printed an error shows: the last ones say why it failed."""


_running: set[int] = set()


def kill_programs() -> None:
    """Kill every program that :func:`run_program` is running, with its children."""
    for group in tuple(_running):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def run_program(
    words: list[str],
    codec: str,
    limit: float,
    limit_name: str,
    accept: Callable[[int], bool] = lambda status: status == 0,
) -> str:
    """Run a program and return what it printed; it and its children are killed at the time limit.

    Parameters
    ----------
    words
        The program and its arguments.
    codec
        Whose program it is, for the messages.
    limit, limit_name
        Seconds, and the setting that changes them.
    accept
        Which exit statuses count as success.

    Raises
    ------
    CodecUnavailableError
        When it cannot be started.
    CodecError
        When it fails, crashes or runs past the limit.
    """
    name = Path(words[0]).name
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise CodecUnavailableError(f"{codec}: {words[0]} cannot be run: {error.strerror or error}") from None
    _running.add(process.pid)
    with process:
        try:
            printed = process.communicate(timeout=limit)[0].decode(errors="replace")
        except BaseException as error:
            # The whole group: a time limit or a keyboard interrupt must not leave children behind.
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise CodecError(f"{codec}: {name} was stopped after {limit:g} s ({limit_name})") from None
            raise
        finally:
            _running.discard(process.pid)
    status = process.returncode
    if not accept(status):
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}"
        raise CodecError(f"{codec}: {name} {how}{quoted(printed)}")
    return printed


def time_limit(codec: str, variable: str, default: float) -> float:
    """Return the seconds that one run may take: what the environment's `variable` says, else `default`.

    Raises
    ------
    UsageError
        When `variable` is no number above 0.
    """
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise UsageError(f"{codec}: {variable}={text} is no number of seconds above 0")
    return limit


def quoted(printed: str) -> str:
    """Return the end of what a program printed, as the tail of a message."""
    words = " ".join(printed.split())
    return f": {words[-SHOWN:]}" if words else ""
