"""Worker processes: as many as there are cores, one thread each, none of them outliving its parent."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

from isorate.codecs.program import kill_programs
from isorate.errors import UsageError
from isorate.files.standard_output import keep_off_standard_output
from isorate.runs.provenance import usable_cores

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPJ_NUM_THREADS")

END_S = 10.0
"""Seconds that workers have to end in when all is done."""


def worker_count(asked: int | None) -> int:
    """Return how many workers there will be: what was asked for, else as many as usable cores.

    Raises
    ------
    UsageError
        When fewer than one was asked for.
    """
    if asked is None:
        return usable_cores()
    if asked < 1:
        raise UsageError(f"{asked} workers: a whole number of 1 or more is needed")
    return asked


class _Process(SpawnProcess):
    """A process that does not import its parent's main module.

    Workers need nothing of it (a codec of a class that is defined there travels by value), and a script without a
    ``__main__`` guard would start its run once more in each of them.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  (the name that multiprocessing calls)
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return SpawnProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _Context(SpawnContext):
    Process = _Process


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of fresh processes with one thread each, gone at once when an exception leaves the body.

    Every worker holds one end of a pipe whose other end is the parent's alone. It is closed when the parent gives the
    pool up or dies of whatever (kill -9 included); a worker that sees this kills the programs it started, and itself.
    So does one that has no more to do and does not end: a codec's thread, or what it does at the end, would be waited
    for without an end.
    """
    context = _Context()
    lifeline, kept_open = context.Pipe(duplex=False)
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(lifeline,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    else:
        patience = threading.Timer(END_S, kept_open.close)
        patience.daemon = True
        patience.start()
        try:
            pool.shutdown()
        finally:
            patience.cancel()
            patience.join()  # it may be at its close, and a connection is closed by one thread only
    finally:
        kept_open.close()
        lifeline.close()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin(lifeline: Connection) -> None:
    """Leave Ctrl-C and standard output to the parent, and end with it."""
    keep_off_standard_output()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    wait([lifeline])
    kill_programs()
    os._exit(1)
