"""Running a plan: cells in worker processes, resumable, one failure never takes the rest along."""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

from isorate.engine.cell import Cell
from isorate.engine.execution import execute, with_known
from isorate.engine.images import Preparing, on_every_core, read_images
from isorate.engine.plan import Plan, describe
from isorate.engine.workers import worker_count
from isorate.errors import RunError
from isorate.pictures.names import readable
from isorate.runs.belonging import run_digest
from isorate.runs.differences import other_run, outdated
from isorate.runs.equal_rate import lacks_neighbour
from isorate.runs.folder import FOLDERS, MANIFEST, Run
from isorate.runs.manifest import Manifest
from isorate.runs.paths import inside
from isorate.runs.row import Key
from isorate.runs.shards import Stored

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
    preparing: Preparing | None = None,
) -> Run:
    """Run `plan` into the folder `path`, continuing what is there.

    Rows that other code, programs or versions made than are here now are made anew; a warning says how many and why.
    So are those without files where the plan keeps more than was kept.

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
    preparing
        Called before the first cell, as images are read and as what is there is looked at: what is done, how many are
        done, and how many there are.

    Raises
    ------
    RunError
        When the folder holds another run, also one that another command began meanwhile, or cannot be written.
    UsageError
        When fewer than one worker is asked for.
    """
    processes = worker_count(workers)
    run = _open(plan, path, command or [], preparing, overwrite=overwrite)
    digest = run_digest(run.manifest)
    run.hold(digest)  # another command may have begun another run while this one read its images
    generation = run.begin_generation()
    cells = [replace(cell, generation=generation, digest=digest) for cell in plan.cells(path, cache_path)]
    cells = _unfinished(run, cells, preparing)
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
    run.sync_generation()
    return Run(run.path, run.manifest)  # not of this generation: what its user writes counts before the rows of now


def _open(plan: Plan, path: Path, command: list[str], preparing: Preparing | None, *, overwrite: bool) -> Run:
    if path.exists() and not path.is_dir():
        raise RunError(f"{path}: is a file, and a run is a folder; give another (-o)")
    for folder in FOLDERS:
        inside(path, folder)
    before, different = None, []
    there = _changed(path)
    if (path / MANIFEST).exists():
        try:
            before = Run.open(path)
        except RunError:
            if not overwrite:
                raise
            different = ["a damaged manifest"]
    elif path.exists() and any(path.iterdir()):
        raise RunError(f"{path}: not empty and not a run; give another folder (-o)")
    images, stamps = read_images(plan.dataset.sources, before, preparing)
    manifest = describe(plan, images, command)
    if _changed(path) != there:  # meanwhile another command began a run, or went on with one
        return _open(plan, path, command, preparing, overwrite=overwrite)
    if before:
        going_on = manifest if plan.keep else replace(manifest, keep=before.manifest.keep)
        different = other_run(before.manifest, going_on)
        if not different:
            run = _continued(before, going_on)
            run.write_stamps(stamps)
            return run
    if different and not overwrite:
        raise RunError(
            f"{path}: holds another run: {', '.join(different)}. "
            "Give another folder (-o), or --overwrite to start anew (encodes are cached)"
        )
    if different:
        _check_elsewhere(plan, path)
    run = Run.create(path, manifest, anew=bool(different))
    run.write_stamps(stamps)
    return run


def _check_elsewhere(plan: Plan, path: Path) -> None:
    """Raise where the pictures lie among what a run that begins anew removes."""
    removed = [(path / folder).resolve() for folder in FOLDERS]

    @cache  # to resolve each of 100,000 pictures' paths takes seconds
    def among_these(folder: Path) -> bool:
        real = folder.resolve()
        return any(real.is_relative_to(other) for other in removed)

    for source in plan.dataset.sources:
        file = source.path.resolve() if source.path.is_symlink() else source.path
        if among_these(file.parent):
            raise RunError(
                f"{path}: --overwrite would remove what is to be compared, {readable(str(source.path))}; give another "
                "folder (-o), or copy the pictures to another place"
            )


def _changed(path: Path) -> tuple[int, ...]:
    """Return what tells one manifest in a folder from the next one; nothing where there is none."""
    try:
        about = (path / MANIFEST).stat()
    except OSError:
        return ()
    return about.st_ino, about.st_size, about.st_mtime_ns


def _continued(run: Run, now: Manifest) -> Run:
    """Return the run without the rows that another identity made, its manifest brought up to date."""
    then = run.manifest
    why = outdated(then, now)
    if then.keep != now.keep:
        more = f"--keep {then.keep} until now, --keep {now.keep} from now on"
        warnings.warn(f"{run.path}: {more}: what was not kept is made again", stacklevel=2)
    if (then.dataset, then.keep) != (now.dataset, now.keep):  # another data set here is one of other classes
        then = replace(then, dataset=now.dataset, keep=now.keep)
        run = Run.create(run.path, then)
    if not why:
        return run
    codecs = tuple(now.codec(entry.name) if entry.name in why else entry for entry in then.codecs)
    renewed = replace(then, codecs=codecs)
    if len(why) == len(codecs):
        renewed = replace(
            renewed, metrics=now.metrics, more_metrics=now.more_metrics, versions=now.versions, platform=now.platform,
            git_commit=now.git_commit,
        )  # fmt: skip
    renewed.text()  # what no manifest can hold costs no row
    # rows first: whatever ends this in between, no row is taken for the new identity's
    removed = run.remove_rows(product(then.image_names, then.point_names, why))
    if removed:
        warnings.warn(
            f"{run.path}: {removed} rows are made anew: {'; '.join(dict.fromkeys(why.values()))}", stacklevel=2
        )
    return Run.create(run.path, renewed)


def _unfinished(run: Run, cells: list[Cell], preparing: Preparing | None) -> list[Cell]:
    """Return the cells that lack a good row, or one of its files: there, whole, and of the checksum that is known.

    A row is written after its files: what is older than its row is what the row was made of, and is not read again.
    """
    rows = run.stored_rows()
    if not rows:
        return cells
    good = [_good_rows(cell, rows) for cell in cells]
    sure = {index for index, of_cell in enumerate(good) if of_cell and all(map(run.is_untouched, of_cell))}
    doubtful = [index for index, of_cell in enumerate(good) if of_cell and index not in sure]
    images = list(dict.fromkeys(cells[index].source.name for index in doubtful if run.manifest.keep.pictures))
    what = "looking at what is there"
    kept = dict(zip(images, on_every_core(run.has_original, images, what, preparing), strict=True))

    def whole(index: int) -> bool:
        return kept.get(cells[index].source.name, True) and all(run.confirm(stored.row) for stored in good[index])

    sure.update(
        index for index, done in zip(doubtful, on_every_core(whole, doubtful, what, preparing), strict=True) if done
    )
    return with_known(rows, [cell for index, cell in enumerate(cells) if index not in sure])


def _good_rows(cell: Cell, rows: Mapping[Key, Stored]) -> list[Stored]:
    """Return the rows of a cell, or none where one is missing or not good."""
    found = [rows.get((cell.source.name, cell.point.name, entry.name)) for entry in cell.codecs]
    good = [some for some in found if some and some.row.ok and not lacks_neighbour(some.row, cell.aim.tolerance)]
    return good if len(good) == len(found) else []
