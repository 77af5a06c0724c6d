"""From a run to a baseline, with each row's local slope; and over the baseline that is there."""

import math
import warnings
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from isorate.codecs.identity import identity
from isorate.codecs.registry import CodecSpec
from isorate.engine.in_flight import InFlight
from isorate.engine.workers import worker_count, worker_pool
from isorate.errors import RunError
from isorate.gate.baseline import (
    MORE_DIGITS,
    MS_SSIM_DIGITS,
    PSNR_DIGITS,
    Baseline,
    BaselineCodec,
    BaselineImage,
    BaselineMetric,
    BaselineRow,
    Measured,
)
from isorate.gate.slopes import NEIGHBOUR, Slope, from_neighbour, from_points, from_probe
from isorate.runs.folder import Run
from isorate.runs.manifest import CodecEntry, MetricEntry
from isorate.runs.row import REMEDY, Key, Row

DIGITS = 12


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker needs to measure one row's slope."""

    run_path: Path
    row: Row
    spec: CodecSpec
    entry: CodecEntry
    metrics: tuple[MetricEntry, ...]


def make_baseline(
    run: Run, before: Baseline | None = None, executor: Executor | int | None = None, *, allow_programs: bool = False
) -> Baseline:
    """Return the baseline of `run`.

    Parameters
    ----------
    run
        A finished run without failed cells.
    before
        The baseline that this one replaces: rows whose file is the same keep their slope, and their line.
    executor
        Where second encodes are made for rows whose slope the run's own points do not give, or in how many processes;
        None makes none.
    allow_programs
        See :meth:`isorate.runs.manifest.CodecEntry.codec_spec`; without second encodes nothing runs.

    Raises
    ------
    RunError
        When the run is not finished, has failed cells, or names programs that may not run.
    """
    rows = run.rows()
    _check_complete(run, rows)
    more = run.manifest.more_metrics
    known = {row.key: row for row in before.rows} if before else {}
    kept = {key: row for row in rows if (key := row.key) in known and known[key].stream == row.stream_sha256[:DIGITS]}
    slopes = {row.key: (slope, "points") for row, slope in _slopes_from_points(rows, more)}
    for key in kept:
        old = known[key]
        if old.slope_from and {entry.name for entry in more} <= set(old.slopes):
            slopes.setdefault(key, (Slope(old.psnr_slope, old.ms_ssim_slope, old.slopes), old.slope_from))
    for row in rows:
        if slope := from_neighbour(row, more):
            slopes.setdefault(row.key, (slope, NEIGHBOUR))
    if executor is not None:
        missing = [row for row in rows if row.key not in slopes]
        measured = _measured(_tasks(run, missing, allow_programs=allow_programs), executor)
        slopes |= {key: (slope, "probe") for key, slope in measured.items() if slope}
    manifest = run.manifest
    return Baseline(
        dataset=manifest.dataset.name,
        anchor=manifest.anchor,
        policy=manifest.policy,
        tolerance_pct=manifest.tolerance_pct,
        match=manifest.match,
        tolerance_quality=manifest.tolerance_quality,
        versions=manifest.versions,
        codecs={
            codec.name: BaselineCodec(codec.spec, codec.backend, codec.options, codec.identity.programs)
            for codec in manifest.codecs
        },
        images={
            image.name: BaselineImage(image.width, image.height, image.sha256)
            for image in manifest.dataset.images
            if image.width and image.height
        },
        rows=tuple(_baseline_row(row, more, *slopes.get(row.key, (Slope(None, None), ""))) for row in rows),
        metrics={entry.name: BaselineMetric(entry.label, entry.implementation, entry.measured_on) for entry in more},
    )


def write_baseline(
    run: Run | Path | str, path: Path, *, probe: bool = True, workers: int | None = None, allow_programs: bool = False
) -> Baseline:
    """Write `run`, a run or its folder, as the baseline `path` and return it; see :func:`make_baseline`.

    Raises
    ------
    RunError
        When the run is not finished, has failed cells, names programs that may not run, or the file cannot be written.
    """
    run = Run.of(run)
    try:
        before = Baseline.read(path) if path.is_file() else None
    except RunError:
        before = None  # one of another version: there is nothing to keep
    made = make_baseline(run, before)
    lacking = probe and any(not row.slope_from for row in made.rows)
    if lacking and not run.manifest.keep.pictures:
        why = f"no originals to encode again: {run.manifest.keep.without_pictures}"
        warnings.warn(f"{run.path}: stated slopes stand for those that its rows do not tell; {why}", stacklevel=2)
    elif lacking:
        made = make_baseline(run, made, worker_count(workers), allow_programs=allow_programs)
    made.write(path)
    return made


def _check_complete(run: Run, rows: list[Row]) -> None:
    if failed := [row for row in rows if not row.complete]:
        first = failed[0]
        raise RunError(
            f"{run.path}: {len(failed)} cells failed (the first: {first.image}, {first.codec}: {first.status}); "
            "a baseline guards nothing there: repair them, or leave that codec out of the run"
        )
    if unfinished := run.manifest.unfinished(row.key for row in rows):
        raise RunError(f"{run.path}: {unfinished}; finish it with the same isorate run command")
    if foreign := [row for row in rows if row.codec not in run.manifest.codec_names]:
        raise RunError(f"{run.path}: has rows of a codec that its manifest lacks: {foreign[0].codec}; {REMEDY}")


def _slopes_from_points(rows: list[Row], metrics: Sequence[MetricEntry]) -> Iterator[tuple[Row, Slope]]:
    groups: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.image, row.codec].append(row)
    for row in rows:
        slope = from_points(row, groups[row.image, row.codec], metrics)
        if slope:
            yield row, slope


def _tasks(run: Run, rows: Sequence[Row], *, allow_programs: bool) -> list[_Task]:
    wanted = {row.codec for row in rows}
    entries = {codec.name: codec for codec in run.manifest.codecs if codec.name in wanted}
    specs = {name: entry.codec_spec(allow_programs=allow_programs) for name, entry in entries.items()}
    metrics = run.manifest.more_metrics
    return [_Task(run.path, row, specs[row.codec], entries[row.codec], metrics) for row in rows]


def _measured(tasks: Sequence[_Task], executor: Executor | int) -> dict[Key, Slope | None]:
    """Return the slopes of the tasks' rows, measured by an executor, or by so many processes of our own.

    A worker that dies takes its pool along. The tasks in it at that moment, one more than workers, are measured one
    after another in a process of their own, and the others in a new pool. The stated default takes the place of what
    dies there, too, and of what a given executor that breaks has not measured.
    """
    waiting = deque(tasks)
    slopes: dict[Key, Slope | None] = {}
    if not isinstance(executor, int):
        _through(executor, waiting, len(tasks), slopes)
        return slopes
    while waiting:
        with worker_pool(min(executor, len(waiting))) as pool:
            suspects = deque(_through(pool, waiting, executor + 1, slopes))
        while suspects:
            with worker_pool(1) as pool:
                _through(pool, suspects, 1, slopes)
    return slopes


def _through(executor: Executor, waiting: deque[_Task], most: int, slopes: dict[Key, Slope | None]) -> list[_Task]:
    """Measure what is waiting, and return the tasks that were in the executor when it broke."""
    flight = InFlight(executor, _measure, waiting, most)
    for task, future in flight:
        slopes[task.row.key] = future.result()
    return flight.lost


def _measure(task: _Task) -> Slope | None:
    try:
        codec = task.spec.create()
        known = task.entry.identity.encode
        if codec.backend != task.row.backend or (known and identity(codec) != task.entry.identity):
            return None  # another machine or other code made the run: this codec says nothing of its slope
        return from_probe(task.row, codec, Run.open(task.run_path).original(task.row.image), task.metrics)
    except (Exception, SystemExit):  # an adapter may fail in any way
        return None  # the stated default takes its place, and the check says so


def _baseline_row(row: Row, metrics: Sequence[MetricEntry], slope: Slope, slope_from: str) -> BaselineRow:
    assert row.num_bytes is not None
    digits = {entry.name: entry.digits + MORE_DIGITS for entry in metrics}
    return BaselineRow(
        image=row.image,
        point=row.point,
        codec=row.codec,
        bytes=row.num_bytes,
        psnr=None if row.psnr is None or math.isinf(row.psnr) else round(row.psnr, PSNR_DIGITS),
        ms_ssim=None if row.ms_ssim is None else round(row.ms_ssim, MS_SSIM_DIGITS),
        psnr_slope=None if slope.psnr is None else round(slope.psnr, 2),
        ms_ssim_slope=None if slope.ms_ssim is None else round(slope.ms_ssim, 5),
        slope_from=slope_from,
        stream=row.stream_sha256[:DIGITS],
        metrics={name: _rounded(row.value(name), digits[name]) for name in digits},
        slopes={name: None if (gain := slope.more.get(name)) is None else round(gain, digits[name]) for name in digits}
        if slope_from
        else {},
    )


def _rounded(value: float | None, digits: int) -> Measured:
    if value is None:
        return None
    return "inf" if math.isinf(value) else round(value, digits)
