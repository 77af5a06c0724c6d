"""Writing a baseline over the one that is there."""

from pathlib import Path

from isorate.engine.workers import worker_count, worker_pool
from isorate.errors import RunError
from isorate.gate.accept import make_baseline
from isorate.gate.baseline import Baseline
from isorate.runs.folder import Run


def write_baseline(run: Run, path: Path, *, probe: bool = True, workers: int | None = None) -> Baseline:
    """Write `run` as the baseline `path` and return it; see :func:`isorate.gate.accept.make_baseline`.

    Raises
    ------
    RunError
        When the run is not finished, has failed cells, or the file cannot be written.
    """
    try:
        before = Baseline.read(path)
    except RunError:
        before = None  # none there, or one of another version: there is nothing to keep
    made = make_baseline(run, before)
    if probe and any(not row.slope_from for row in made.rows):
        with worker_pool(worker_count(workers)) as pool:
            made = make_baseline(run, made, pool)
    made.write(path)
    return made
