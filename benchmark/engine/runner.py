"""Running a plan: cells in worker processes, resumable, one failure never takes the rest along."""

import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from isorate.engine.cell import Cell
from isorate.engine.execution import execute
from isorate.engine.plan import Plan, describe
from isorate.engine.workers import worker_count
from isorate.errors import RunError
from isorate.runs.differences import other_run, outdated
from isorate.runs.folder import Run
from isorate.runs.manifest import Manifest

Progress = Callable[[Counter[str], int, int], None]


def run_plan(
    plan: Plan,
    path: Path,
    *,
    cache_path: Path | None,
    command: list[str] | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Run `plan` into the folder `path`, continuing what is there.

    Rows that other code, programs or versions made than are here now are made anew; a warning says how many and why.

    Parameters
    ----------
    plan
        What to run.
    path
        The run folder; made when missing.
    cache_path
        Folder of the encode cache, or None.
    command
        For the manifest.
    workers
        Processes; as many as usable cores by default.
    executor
        Any executor of ``concurrent.futures``' interface whose workers see the same files, in place of local processes.
    overwrite
        Start anew when the folder holds another run.
    progress
        Called after each cell with the counts of rows (``ok``, ``failed``, and how many ``cached`` ones are among the
        former), cells done, and cells in all.

    Raises
    ------
    RunError
        When the folder holds another run, or cannot be written.
    UsageError
        When fewer than one worker is asked for.
    """
    processes = worker_count(workers)
    run = _open(plan, path, command or [], overwrite=overwrite)
    cells = [cell for cell in plan.cells(path, cache_path) if not _finished(run, cell)]
    counts: Counter[str] = Counter()
    total = len(plan.dataset.sources) * len(plan.points)
    done = total - len(cells)
    if progress:
        progress(counts, done, total)
    for outcomes in execute(run, cells, processes, executor):
        counts.update("ok" if outcome.ok else "failed" for outcome in outcomes)
        if cached := sum(outcome.cached for outcome in outcomes):
            counts["cached"] += cached
        done += 1
        if progress:
            progress(counts, done, total)
    return run


def _open(plan: Plan, path: Path, command: list[str], *, overwrite: bool) -> Run:
    manifest = describe(plan, command)
    if (path / "manifest.json").exists():
        try:
            before = Run.open(path)
        except RunError:
            if not overwrite:
                raise
            different = ["a damaged manifest"]
        else:
            different = other_run(before.manifest, manifest)
            if not different:
                return _continued(before, manifest)
        if not overwrite:
            raise RunError(
                f"{path}: holds another run: {', '.join(different)}. "
                "Give another folder (-o), or --overwrite to start anew (encodes are cached)"
            )
        for folder in ("rows", "streams", "decoded", "originals"):
            shutil.rmtree(path / folder, ignore_errors=True)
    elif path.exists() and any(path.iterdir()):
        raise RunError(f"{path}: not empty and not a run; give another folder (-o)")
    return Run.create(path, manifest)


def _continued(run: Run, now: Manifest) -> Run:
    """Return the run without the rows that another identity made, its manifest brought up to date."""
    then = run.manifest
    why = outdated(then, now)
    if not why:
        return run
    # rows first: whatever ends this in between, no row is taken for the new identity's
    removed = sum(
        run.remove_row(image, point, codec) for image in then.image_names for point in then.point_names for codec in why
    )
    if removed:
        warnings.warn(
            f"{run.path}: {removed} rows are made anew: {'; '.join(dict.fromkeys(why.values()))}", stacklevel=2
        )
    codecs = tuple(now.codec(entry.name) if entry.name in why else entry for entry in then.codecs)
    if len(why) < len(codecs):
        return Run.create(run.path, replace(then, codecs=codecs))
    return Run.create(
        run.path,
        replace(
            then, codecs=codecs, metrics=now.metrics, versions=now.versions, platform=now.platform,
            git_commit=now.git_commit,
        ),
    )  # fmt: skip


def _finished(run: Run, cell: Cell) -> bool:
    rows = [run.row(cell.source.name, cell.point.name, entry.name) for entry in cell.codecs]
    if not all(row is not None and row.ok for row in rows):
        return False
    return all((run.path / file).exists() for row in rows if row for file in (row.stream, row.decoded))
