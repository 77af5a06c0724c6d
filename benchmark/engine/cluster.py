"""Cells on a cluster: the workers of a dask.distributed scheduler in place of local processes.

Everything but the cells stays where it was: workers share the run folder with this process, and write rows, streams and
pictures there themselves. The scheduler runs the cell of a worker that dies on another one; what it gives up is run
alone (:mod:`isorate.engine.execution`), and without the codec at which workers die there, too. A connection to it that
breaks off, as on machines with more work than they can do, is made again, and the cells are sent once more. A cell that
a worker could not write or does not make is tried on others; where one of these makes it, that worker gets no more.
"""

import threading
import warnings
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import Any, ParamSpec, TypeVar

from isorate.codecs.identity import in_files
from isorate.engine.cell import Cell, PlannedCodec
from isorate.engine.execution import DIED, WorkersDiedError
from isorate.engine.workers import worker_count
from isorate.errors import RunError, UsageError
from isorate.metrics.identity import metrics_identity
from isorate.runs.differences import outdated
from isorate.runs.folder import ReplacedError, Run
from isorate.runs.manifest import CodecEntry, Manifest, MetricEntry
from isorate.runs.provenance import versions

LOCAL = "local"
"""The address of a cluster of this machine's own processes."""
CONNECT_S = 10
SENT_AT_MOST = 4
"""Times, as often as dask itself gives a cell to another worker when one dies."""
GONE = "the scheduler is gone"
ALIVE = ("connecting", "running")
PATIENT = {
    "distributed.comm.timeouts.connect": "10 minutes",
    "distributed.comm.timeouts.tcp": "1 hour",
    "distributed.scheduler.worker-ttl": None,
}
"""Of a cluster of this machine's own processes: when one dies its connections end, so silence is a sign of work alone.

dask's 30 s are exceeded where other programs have the cores, and its 5 minutes by codecs that keep Python's lock.
"""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class RefusedError(RunError):
    """A worker does not make a cell: it is not the run's tool chain, or cannot write the run's folder.

    Attributes
    ----------
    worker
        Its address; empty where it is none of dask's.
    """

    def __init__(self, why: str, worker: str) -> None:
        super().__init__(why)
        self.worker = worker

    def __reduce__(self) -> tuple[type["RefusedError"], tuple[str, str]]:
        """Say what travels from worker to client."""
        return type(self), (str(self), self.worker)


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
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError(f"--scheduler {address}: {error}; pip install 'isorate[dask]'") from None
    if address == LOCAL:
        processes = worker_count(workers)
        with (
            dask.config.set(PATIENT),
            LocalCluster(n_workers=processes, threads_per_worker=1, dashboard_address="127.0.0.1:0") as local,
            Client(local, set_as_default=False) as client,
        ):
            yield _Cluster(client)
        return
    if workers is not None:
        raise UsageError(f"--workers {workers}: the scheduler at {address} has its own; start more of them there")
    try:
        with Client(address, timeout=CONNECT_S, set_as_default=False) as client:
            threads = client.nthreads()
    except Exception as error:  # whatever else listens there may send anything
        raise UsageError(f"--scheduler {address}: no dask scheduler answers there: {error}") from None
    if wide := [name for name, many in threads.items() if many > 1]:
        raise UsageError(f"{wide[0]}: has several threads, and codecs take one; start it with --nthreads 1")
    with Client(address, set_as_default=False) as client:  # dask's own limit: it is that of connecting again, too
        yield _Cluster(client)


class _Cluster(Executor):
    """The client's workers. Calls that are lost with the scheduler end as those of a pool that broke do."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._aside: set[str] = set()

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        """Run ``fn(cell)`` on a worker whose tool chain is the run's."""
        if self._client.status not in ALIVE:
            raise BrokenExecutor(GONE)
        outcome: Future[Result] = Future()
        outcome.set_running_or_notify_cancel()
        self._send(outcome, 1, (), fn, *args, **kwargs)
        return outcome

    def _send(
        self, outcome: Future[Result], times: int, refused: tuple[RefusedError, ...],
        fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs,
    ) -> None:  # fmt: skip
        def send(times: int, refused: tuple[RefusedError, ...]) -> None:
            try:
                self._send(outcome, times, refused, fn, *args, **kwargs)
            except Exception as lost:  # the client is closed by now
                _settle(outcome, BrokenExecutor(f"{GONE}: {lost}"))

        def again(why: str) -> None:
            if self._client.status not in ALIVE or times == SENT_AT_MOST:
                _settle(outcome, BrokenExecutor(f"{GONE}: {why}" if why else GONE))
                return
            warnings.warn(
                "the connection to the scheduler broke off; it is looked for, and cells sent again", stacklevel=2
            )
            send(times + 1, refused)

        def ended(error: BaseException | None) -> None:
            if error is None:
                self._set_aside(refused)
            elif (
                isinstance(error, RefusedError) and len(refused) + 1 < SENT_AT_MOST and self._others((*refused, error))
            ):
                send(times, (*refused, error))
            else:
                _settle(outcome, _of_dead_workers(error))

        where = (self._others(refused) or None) if self._aside or refused else None
        # Not through the client's own executor: a call whose result is on its way when the scheduler dies never ends
        # there. Not pure: the same cell is run again when a run is continued.
        call = self._client.submit(_as_planned, fn, *args, pure=False, workers=where, **kwargs)
        call.add_done_callback(lambda done: _hand_on(done, outcome, again, ended))
        if self._client.status not in ALIVE:  # closed meanwhile: it may have forgotten its calls before this one came
            _settle(outcome, BrokenExecutor(GONE))

    def _others(self, refused: tuple[RefusedError, ...]) -> list[str]:
        """Return the workers that are left for a cell that those refused."""
        without = self._aside.union(one.worker for one in refused)
        return [worker for worker in self._client.nthreads() if worker not in without]

    def _set_aside(self, refused: tuple[RefusedError, ...]) -> None:
        """Give no more cells to workers that refused one which another has made: it was not the cell's fault."""
        for one in refused:
            if one.worker not in self._aside:
                self._aside.add(one.worker)
                warnings.warn(f"the worker at {one.worker} gets no more cells: {one}", stacklevel=2)


def _hand_on(
    call: Any, outcome: Future[Result], again: Callable[[str], None], ended: Callable[[BaseException | None], None]
) -> None:
    """Give what became of a call on the cluster, or have it made again; nobody here cancels one."""
    try:
        if call.status == "error":
            ended(call.exception())
        elif call.status == "finished":
            result = call.result()
            ended(None)
            with suppress(InvalidStateError):
                outcome.set_result(result)
        else:
            again("")
    except (Exception, CancelledError) as lost:  # whatever a connection that breaks off ends in
        again(str(lost))


def _of_dead_workers(error: BaseException) -> BaseException:
    """Return what dask says of a cell that it gave up, in our words; any other error as it is.

    It counts the death of a worker against the cells that waited there, too.
    """
    from distributed import KilledWorker

    if not isinstance(error, KilledWorker):
        return error
    last = f"the last at {error.last_worker.address}, whose log may say why"
    return WorkersDiedError(f"{DIED}; tries: {error.allowed_failures + 1}, {last}")


def _settle(outcome: Future[Result], error: BaseException) -> None:
    """End a call, unless it has ended: what a connection's end says may come from two threads."""
    with suppress(InvalidStateError):
        outcome.set_exception(error)


_ONE_AT_A_TIME = threading.Lock()
"""Codecs take one thread: a worker that came later with several runs a cell after the other all the same."""


def _as_planned(run_cell: Callable[[Cell], Result], cell: Cell) -> Result:
    """Run the cell, if this process would make the rows that the manifest describes."""
    with _ONE_AT_A_TIME:
        try:
            run = Run.open(cell.run_path)
            run.hold(cell.digest)
            if why := _unlike(run.manifest, cell.codecs):
                raise RunError(f"this worker is not the run's tool chain, install the same on every one: {why}")
            return run_cell(cell)
        except ReplacedError:
            raise
        except RunError as error:
            raise RefusedError(str(error), _worker()) from error


def _worker() -> str:
    """Return the address of the worker that this is, or nothing."""
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""


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
