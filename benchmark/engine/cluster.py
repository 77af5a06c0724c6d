"""Cells on a cluster: the workers of a dask.distributed scheduler in place of local processes.

Everything but the cells stays where it was: workers share the run folder with this process, and write rows, streams and
pictures there themselves. The scheduler runs the cell of a worker that dies on another one.
"""

import threading
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any, ParamSpec, TypeVar

from isorate.codecs.identity import in_files
from isorate.engine.cell import Cell, PlannedCodec
from isorate.engine.workers import worker_count
from isorate.errors import RunError, UsageError
from isorate.metrics.identity import metrics_identity
from isorate.runs.differences import outdated
from isorate.runs.folder import Run
from isorate.runs.manifest import CodecEntry, Manifest, MetricEntry
from isorate.runs.provenance import versions

LOCAL = "local"
"""The address of a cluster of this machine's own processes."""
CONNECT_S = 10
GONE = "the scheduler is gone"

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@contextmanager
def cluster(address: str, workers: int | None = None) -> Iterator[Executor]:
    """Give the workers of a dask scheduler as an executor.

    Parameters
    ----------
    address
        The scheduler's, as in ``tcp://host:8786``; or ``local`` for one of this machine's processes.
    workers
        Processes of a local one; all usable cores by default.

    Raises
    ------
    UsageError
        When dask.distributed is not installed, no scheduler answers, or a worker has several threads.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError(f"--scheduler {address}: {error}; pip install 'isorate[dask]'") from None
    if address == LOCAL:
        processes = worker_count(workers)
        local = LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address=None)
        with local, Client(local, set_as_default=False) as client:
            yield _Cluster(client)
        return
    if workers is not None:
        raise UsageError(f"--workers {workers}: the scheduler at {address} has its own; start more of them there")
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except Exception as error:  # whatever else listens there may send anything
        raise UsageError(f"--scheduler {address}: no dask scheduler answers there: {error}") from None
    with client:
        if wide := [name for name, threads in client.nthreads().items() if threads > 1]:
            raise UsageError(f"{wide[0]}: has several threads, and codecs take one; start it with --nthreads 1")
        yield _Cluster(client)


class _Cluster(Executor):
    """The client's workers. Calls that are lost with the scheduler end as those of a pool that broke do."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Run ``fn(cell)`` on a worker whose tool chain is the run's."""
        if self._client.status != "running":
            raise BrokenExecutor(GONE)
        outcome: Future[Result] = Future()
        outcome.set_running_or_notify_cancel()
        # Not through the client's own executor: a call whose result is on its way when the scheduler dies never ends
        # there. Not pure: the same cell is run again when a run is continued.
        call = self._client.submit(_as_planned, fn, *args, pure=False, **kwargs)
        call.add_done_callback(lambda done: _hand_on(done, outcome))
        return outcome


def _hand_on(call: Any, outcome: Future[Result]) -> None:
    """Give what became of a call on the cluster; nobody here cancels one."""
    try:
        if call.status == "error":
            outcome.set_exception(call.exception())
        elif call.status == "finished":
            outcome.set_result(call.result())
        else:
            outcome.set_exception(BrokenExecutor(GONE))
    except (Exception, CancelledError) as lost:  # whatever a connection that breaks off ends in
        outcome.set_exception(BrokenExecutor(f"{GONE}: {lost}"))


_ONE_AT_A_TIME = threading.Lock()
"""Codecs take one thread: a worker that came later with several runs a cell after the other all the same."""


def _as_planned(run_cell: Callable[[Cell], Result], cell: Cell) -> Result:
    """Run the cell, if this process would make the rows that the manifest describes."""
    with _ONE_AT_A_TIME:
        if why := _unlike(Run.open(cell.run_path).manifest, cell.codecs):
            raise RunError(f"this worker is not the run's tool chain, install the same on every one: {why}")
        return run_cell(cell)


def _unlike(manifest: Manifest, planned: tuple[PlannedCodec, ...]) -> str:
    """Return what this process has that the run's manifest has not, or nothing."""
    codecs = tuple(_own(entry) or manifest.codec(entry.name) for entry in planned)
    measured = tuple(MetricEntry.of(entry.name) for entry in manifest.more_metrics)
    here = replace(manifest, codecs=codecs, metrics=metrics_identity(), more_metrics=measured, versions=_versions())
    return "; ".join(dict.fromkeys(outdated(manifest, here).values()))


@cache
def _own(entry: PlannedCodec) -> CodecEntry | None:
    """Return what a codec is here, or None where its class came with the cell, and is in no file."""
    return CodecEntry.of(entry.name, entry.label, entry.spec) if in_files(entry.spec.adapter()) else None


_versions = cache(versions)
