"""Cells through worker processes, or another executor: whatever happens to one, every cell ends with its rows."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace
from queue import SimpleQueue

from isorate.engine.cell import Cell, RowOutcome, run_cell
from isorate.engine.workers import worker_pool
from isorate.errors import IsorateError
from isorate.pictures.names import readable
from isorate.runs.folder import Run
from isorate.runs.row import Key, Row
from isorate.runs.shards import Stored

DIED = "the worker process died (out of memory, or a crash in a codec's library)"


def execute(run: Run, cells: list[Cell], workers: int, executor: Executor | None) -> Iterator[list[RowOutcome]]:
    """Run the cells; give what became of each one's rows as it ends.

    A worker that dies takes its pool along. The cells in it at that moment, one more than workers, are run again one
    after another in a process of their own, and the others go on in a new pool: the cell at fault costs itself alone.

    Parameters
    ----------
    run
        Where the rows go.
    cells
        What is to be done.
    workers
        Local processes.
    executor
        Used in place of local processes. One that breaks cannot be made anew: what it still had is failed rows.

    Raises
    ------
    RunError
        When the run folder cannot be written.
    """
    waiting = deque(cells)
    if executor is not None:
        lost = (yield from _through(run, executor, waiting, len(cells))) + list(waiting)
        for cell in _reread(run, lost):
            yield _fail(run, cell, "the executor broke before this cell was done; run the same command again")
        return
    while waiting:
        with worker_pool(min(workers, len(waiting))) as pool:
            suspects = yield from _through(run, pool, waiting, workers + 1)
        suspects = _reread(run, suspects)
        while suspects:
            with worker_pool(1) as pool:
                while suspects:
                    cell = suspects.pop(0)
                    if (yield from _through(run, pool, deque([cell]), 1)):
                        for dead in _reread(run, [cell]):
                            yield _fail(run, dead, DIED)
                        break


def with_known(rows: Mapping[Key, Stored], cells: list[Cell]) -> list[Cell]:
    """Return the cells with those of their rows that are there."""

    def known(cell: Cell) -> tuple[Row, ...]:
        keys = ((cell.source.name, cell.point.name, entry.name) for entry in cell.codecs)
        return tuple(rows[key].row for key in keys if key in rows)

    return [replace(cell, known=known(cell)) for cell in cells]


def _reread(run: Run, cells: list[Cell]) -> list[Cell]:
    """Return the cells with those of their rows that are there by now."""
    return with_known(run.stored_rows(), cells) if cells else []


def _through(
    run: Run, executor: Executor, waiting: deque[Cell], most: int
) -> Generator[list[RowOutcome], None, list[Cell]]:
    """Take cells from `waiting`, at `most` so many at a time, until none is left or the executor breaks.

    Returns
    -------
    The cells that were in the executor when it broke.
    """
    inside: dict[Future[list[RowOutcome]], Cell] = {}
    ended: SimpleQueue[Future[list[RowOutcome]]] = SimpleQueue()  # to wait for one of many looks at all of them
    lost: list[Cell] = []
    while inside or (waiting and not lost):
        while waiting and not lost and len(inside) < most:
            cell = waiting.popleft()
            try:
                future = executor.submit(run_cell, cell)
            except BrokenExecutor:
                lost.append(cell)
            except Exception as refused:  # one that is shut down, or whose queue does not take this cell
                yield _fail(run, cell, f"the executor refused it: {_reason(refused)}")
            else:
                inside[future] = cell
                future.add_done_callback(ended.put)
        if not inside:
            continue
        future = ended.get()
        cell = inside.pop(future)
        try:
            error = future.exception()
        except CancelledError as cancelled:
            error = cancelled
        if error is None:
            yield future.result()
        elif isinstance(error, BrokenExecutor):
            lost.append(cell)
        else:
            yield _fail(run, cell, _reason(error))
    return lost


def _reason(error: BaseException) -> str:
    return readable(str(error) if isinstance(error, IsorateError) else f"unexpected {type(error).__name__}: {error}")


def _fail(run: Run, cell: Cell, reason: str) -> list[RowOutcome]:
    """Write a failed row for every codec of the cell of which no good one is known.

    Good ones that a worker wrote in this generation count before it all the same.
    """
    good = {row.codec for row in cell.known if row.ok}
    image = run.entry(cell.source.name)
    assert image is not None
    for entry in cell.codecs:
        if entry.name not in good:
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
    return [RowOutcome(entry.name in good) for entry in cell.codecs]
