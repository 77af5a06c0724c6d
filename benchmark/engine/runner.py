"""Running a plan: cells in worker processes, resumable, one failure never takes the rest along."""

import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from isorate.engine.cell import Cell
from isorate.engine.execution import execute
from isorate.engine.plan import Plan, describe
from isorate.engine.workers import worker_count
from isorate.errors import RunError
from isorate.runs.differences import other_run, outdated
from isorate.runs.equal_rate import lacks_neighbour
from isorate.runs.folder import FOLDERS, Run, inside
from isorate.runs.manifest import Manifest
from isorate.runs.provenance import usable_cores

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
    cells = _unfinished(run, plan.cells(path, cache_path))
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
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: is a file, and a run is a folder; give another (-o)")
    for folder in FOLDERS:
        inside(path, folder)
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
        for folder in FOLDERS:
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
            then, codecs=codecs, metrics=now.metrics, more_metrics=now.more_metrics, versions=now.versions,
            platform=now.platform, git_commit=now.git_commit,
        ),
    )  # fmt: skip


def _unfinished(run: Run, cells: list[Cell]) -> list[Cell]:
    """Return the cells that lack a good row, or one of its files: there, whole, and of the checksum that is known."""
    images = list(dict.fromkeys(cell.source.name for cell in cells))
    with ThreadPoolExecutor(usable_cores()) as pool:
        kept = dict(zip(images, pool.map(run.has_original, images), strict=True))
        finished = pool.map(lambda cell: kept[cell.source.name] and _finished(run, cell), cells)
        return [cell for cell, done in zip(cells, finished, strict=True) if not done]


def _finished(run: Run, cell: Cell) -> bool:
    rows = (run.row(cell.source.name, cell.point.name, entry.name) for entry in cell.codecs)
    return all(
        row is not None and row.ok and not lacks_neighbour(row, cell.aim.tolerance) and run.has_files(row)
        for row in rows
    )
