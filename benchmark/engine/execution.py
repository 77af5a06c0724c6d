"""Cells through worker processes, or another executor: whatever happens to one, every cell ends with its rows.

An executor that is lost, with its scheduler or its pool, says nothing of a codec: what it had is not done.
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from isorate.engine.cell import Cell, PlannedCodec, RowOutcome, is_done, run_cell
from isorate.engine.in_flight import InFlight, RefusedError
from isorate.engine.workers import worker_pool
from isorate.errors import IsorateError, RunError
from isorate.pictures.names import readable
from isorate.runs.folder import ReplacedError, Run
from isorate.runs.row import Key, Row
from isorate.runs.shards import Stored

IN_EXECUTOR = 4096
"""Cells that another executor has at a time: work for a thousand workers, and not all that a run of a million holds."""
DIED = "the worker process died (out of memory, or a crash in a codec's library)"


class WorkersDiedError(RunError):
    """Workers of an executor that goes on died while they had a cell, by its own codecs or by those of another."""


def execute(run: Run, cells: list[Cell], workers: int, executor: Executor | None) -> Iterator[list[RowOutcome]]:
    """Run the cells; give what became of each one's rows as it ends.

    A worker that dies takes its pool along. The cells in it at that moment, one more than workers, are run again one
    after another in a process of their own, and the others go on in a new pool. The one that dies there, too, has a
    failed row for the codec that was at work, and goes on without it: a codec at fault costs itself alone.

    Parameters
    ----------
    run
        Where the rows go.
    cells
        What is to be done.
    workers
        Local processes.
    executor
        Used in place of local processes. One that breaks cannot be made anew: what it still had is not done. What it
        ends in a :class:`WorkersDiedError` is sent once more when it has nothing else to do, one cell after another.

    Raises
    ------
    RunError
        When the run folder cannot be written or holds another run by now, or the executor broke: no codec is at fault,
        so no row says that one is.
    """
    if executor is not None:
        yield from _elsewhere(run, cells, executor)
        return
    waiting = deque(cells)
    while waiting:
        with worker_pool(min(workers, len(waiting))) as pool:
            lost, _ = yield from _through(run, pool, waiting, workers + 1, [])
        suspects = deque(_reread(run, lost))
        while suspects:
            with worker_pool(1) as pool:
                lost, error = yield from _through(run, pool, suspects, 1, [])
            for dead in _reread(run, lost):
                if not isinstance(error, BrokenProcessPool):
                    yield _fail(run, dead, _reason(error))
                elif _untried(run, rest := _without_fault(run, dead, DIED)):
                    suspects.appendleft(rest)
                else:
                    yield _outcomes(run, rest)


def _elsewhere(run: Run, cells: list[Cell], executor: Executor) -> Iterator[list[RowOutcome]]:
    waiting = deque(cells)
    died: list[tuple[Cell, WorkersDiedError]] = []
    lost, error = yield from _through(run, executor, waiting, IN_EXECUTOR, died)
    suspects = _reread(run, [cell for cell, _ in died])
    while suspects and not lost:
        died = []
        lost, error = yield from _through(run, executor, deque([suspects.pop(0)]), 1, died)
        for cell, why in died:
            [dead] = _reread(run, [cell])
            if _untried(run, rest := _without_fault(run, dead, _reason(why))):
                suspects.insert(0, rest)
            else:
                yield _outcomes(run, rest)
    if left := len(lost) + len(waiting) + len(suspects):
        raise RunError(
            f"{run.path}: the executor broke ({_said(error)}) with {left} of {len(cells)} cells not finished; what "
            "is there stays, run the same command again for the rest"
        )


def with_known(rows: Mapping[Key, Stored], cells: list[Cell]) -> list[Cell]:
    """Return the cells with those of their rows that are there."""
    return [replace(cell, known=tuple(rows[key].row for key in _keys(cell) if key in rows)) for cell in cells]


def _keys(cell: Cell) -> list[Key]:
    return [(cell.source.name, cell.point.name, entry.name) for entry in cell.codecs]


def _reread(run: Run, cells: list[Cell]) -> list[Cell]:
    """Return the cells with what came of them in this start: rows that are known, and codecs that failed."""
    if not cells:
        return []
    rows = run.rows_since(min(cell.generation for cell in cells))  # those of before are known

    def now(cell: Cell) -> Cell:
        mine = {row.codec: row for key in _keys(cell) if (row := rows.get(key))}
        known = *(row for row in cell.known if row.codec not in mine), *mine.values()
        return replace(cell, known=known, failed=cell.failed | {row.codec for row in mine.values() if not row.ok})

    return [now(cell) for cell in cells]


def _through(
    run: Run,
    executor: Executor,
    waiting: deque[Cell],
    most: int,
    died: list[tuple[Cell, WorkersDiedError]],
) -> Generator[list[RowOutcome], None, tuple[list[Cell], BaseException | None]]:
    """Take cells from `waiting`, at `most` so many at a time, until none is left or the executor breaks.

    Those whose workers died while it goes on are added to `died`.

    Returns
    -------
    The cells that were in the executor when it broke, and why it did.
    """
    flight = InFlight(executor, run_cell, waiting, most)
    for cell, future in flight:
        error = future.exception()
        if error is None:
            yield future.result()
        elif isinstance(error, ReplacedError):
            flight.cancel()
            raise error
        elif isinstance(error, RefusedError):
            yield _fail(run, cell, f"the executor refused it: {_reason(error.__cause__)}")
        elif isinstance(error, WorkersDiedError):
            died.append((cell, error))
        else:
            yield _fail(run, cell, _reason(error))
    return flight.lost, flight.why


def _said(error: BaseException | None) -> str:
    return readable(str(error)) or type(error).__name__


def _reason(error: BaseException | None) -> str:
    return readable(str(error) if isinstance(error, IsorateError) else f"unexpected {type(error).__name__}: {error}")


def _fail(run: Run, cell: Cell, reason: str) -> list[RowOutcome]:
    """Write a failed row for every codec of the cell that is not known to be done.

    Good ones that a worker wrote in this generation count before it all the same.
    """
    untried = _untried(run, cell)
    for entry in untried:
        _write_failed(run, cell, entry, reason)
    return _outcomes(run, replace(cell, failed=cell.failed | {entry.name for entry in untried}))


def _untried(run: Run, cell: Cell) -> list[PlannedCodec]:
    """Return the codecs that a worker would have made a row of, in this order."""
    done = {row.codec for row in cell.known if row.codec not in cell.failed and is_done(row, cell, run)}
    return [entry for entry in cell.codecs if entry.name not in done | cell.failed]


def _outcomes(run: Run, cell: Cell) -> list[RowOutcome]:
    left = cell.failed | {entry.name for entry in _untried(run, cell)}
    return [RowOutcome(entry.name not in left) for entry in cell.codecs]


def _without_fault(run: Run, cell: Cell, reason: str) -> Cell:
    """Write the failed row of the codec at which a worker died, and return the cell without those that failed.

    Codecs take their turns, each writing its row: it is the first whose row is not done. A good one of before, which
    had lost its files, no longer counts. The cell knows what came of it in this start.
    """
    for entry in _untried(run, cell)[:1]:
        _write_failed(run, cell, entry, reason)
        cell = replace(cell, failed=cell.failed | {entry.name})
    return cell


def _write_failed(run: Run, cell: Cell, entry: PlannedCodec, reason: str) -> None:
    image = run.entry(cell.source.name)
    assert image is not None
    row = Row(
        image=cell.source.name,
        width=image.width or 0,
        height=image.height or 0,
        image_sha256=image.sha256,
        codec=entry.name,
        label=entry.label,
        point=cell.point.name,
        status=f"failed: {reason}",
    )
    run.write_row(row)
