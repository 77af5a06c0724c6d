"""How long codecs take, measured alone: one worker, one thread, no cache, every measurement in random order.

A run's own seconds are of its pool, where other cells work at the same time, or of the start that first made a file.
"""

import hashlib
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from isorate.codecs.base import Codec, TwoKnobCodec, decoded_by
from isorate.codecs.registry import CodecSpec
from isorate.engine.alone import Alone
from isorate.errors import RunError, UsageError
from isorate.image import Image
from isorate.matching.outcome import Policy
from isorate.pictures.names import printable
from isorate.runs.folder import Run
from isorate.runs.provenance import machine
from isorate.runs.row import Row

BUSY = 0.5
"""A load of the machine, in processes that want a core, above which something else disturbs the times."""


@dataclass(frozen=True, slots=True)
class Timed:
    """The wall-clock seconds of one row's encode and decode.

    Attributes
    ----------
    image, point, codec, label, backend
        The row, and what made the file now.
    pixels
        Of the picture.
    whole_fit
        Whether the encode is the codec's whole way to the size: it made the row's file at no knobs, but fitted it.
    same_file
        Whether what was encoded now is the row's file, byte for byte.
    encode_s, decode_s
        Every repeat's, in the order in which they ran.
    error
        Why there are none; empty where there are.
    """

    image: str
    point: str
    codec: str
    label: str
    backend: str
    pixels: int
    whole_fit: bool = False
    same_file: bool = False
    encode_s: tuple[float, ...] = ()
    decode_s: tuple[float, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Times:
    """Everything that was timed.

    Attributes
    ----------
    run, repeats, seed
        The run's folder, how often each row was timed, and the seed of the order.
    platform
        The machine, as in a manifest.
    load
        Processes that wanted a core in the minute before; None where the system does not tell.
    rows
        In the run's order.
    """

    run: str
    repeats: int
    seed: int
    platform: dict[str, str | int]
    load: float | None
    rows: tuple[Timed, ...]

    @property
    def busy(self) -> bool:
        """Whether something else had the machine's attention before the first measurement."""
        return self.load is not None and self.load > BUSY


@dataclass(frozen=True, slots=True)
class Spread:
    """A codec's seconds: the median over rows of each one's median, the least and the most of these.

    `repeats_pct` says how far a row's repeats lie apart: the median over rows of ``100 * (most - least) / median``.
    """

    median: float
    least: float
    most: float
    repeats_pct: float


def spread(seconds: Sequence[Sequence[float]]) -> Spread | None:
    """Return the summary of some rows' repeats, or None without any.

    >>> spread([(1.0, 1.1, 1.2), (2.0, 2.0, 2.5)])
    Spread(median=1.55, least=1.1, most=2.0, repeats_pct=21.590909090909086)
    """
    rows = [row for row in seconds if row]
    if not rows:
        return None
    medians = [statistics.median(row) for row in rows]
    apart = [100 * (max(row) - min(row)) / middle for row, middle in zip(rows, medians, strict=True) if middle > 0]
    return Spread(statistics.median(medians), min(medians), max(medians), statistics.median(apart) if apart else 0.0)


@dataclass(frozen=True, slots=True)
class _Task:
    run_path: Path
    row: Row
    spec: CodecSpec
    policy: Policy
    tolerance_pct: float


@dataclass(frozen=True, slots=True)
class _Prepared:
    backend: str
    whole_fit: bool
    same_file: bool


def time_run(
    run: Run | Path | str,
    repeats: int = 5,
    *,
    codecs: Sequence[str] = (),
    images: Sequence[str] = (),
    seed: int = 0,
    allow_programs: bool = False,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Times:
    """Encode and decode every row of a run again, alone, and return the seconds.

    Each row is made once without being timed, so that libraries, weights and compiled code are there; then every encode
    and every decode of every repeat comes in one random order, one at a time. A codec that takes its process along
    fails that row; the others go on in a new process, in which each is made once more before it is timed.

    Parameters
    ----------
    run
        A run, or its folder.
    repeats
        How often each encode and decode is timed.
    codecs, images
        Only these of the run; all by default.
    seed
        Of the order.
    allow_programs
        See :meth:`isorate.runs.manifest.CodecEntry.codec_spec`.
    executor
        Where it is done, by default a fresh process with one thread; of several workers only one has work at a time.
    progress
        Called with how many of the encodes and decodes are done, and how many there are.

    Raises
    ------
    UsageError
        For less than one repeat, or a codec or image that the run does not have.
    RunError
        When the run has no successful row among these, or its manifest names programs that may not run; when the given
        executor broke.
    """
    run = Run.of(run)
    if repeats < 1:
        raise UsageError(f"{repeats} repeats: a whole number of 1 or more is needed")
    manifest = run.manifest
    for what, asked, there in (("codec", codecs, manifest.codec_names), ("image", images, manifest.image_names)):
        if unknown := [name for name in asked if name not in there]:
            has = ", ".join(map(printable, there))
            raise UsageError(f"{run.path}: has no {what} {printable(unknown[0])}; it has {has}")
    rows = [
        row
        for row in run.rows()
        if row.complete
        and row.codec in (codecs or manifest.codec_names)
        and row.image in (images or manifest.image_names)
    ]
    if not rows:
        raise RunError(f"{run.path}: has no successful row to be timed; finish it with the same isorate run command")
    wanted = {row.codec for row in rows}
    specs = {
        entry.name: entry.codec_spec(allow_programs=allow_programs) for entry in manifest.codecs if entry.name in wanted
    }
    tasks = [_Task(run.path.absolute(), r, specs[r.codec], manifest.policy, manifest.tolerance_pct) for r in rows]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with Alone(executor) as worker:
        timed = _timed(tasks, repeats, random.Random(seed), worker, progress or (lambda done, total: None))  # noqa: S311
    return Times(str(run.path), repeats, seed, machine(), load, timed)


def _timed(
    tasks: Sequence[_Task], repeats: int, order: random.Random, worker: Alone, progress: Callable[[int, int], None]
) -> tuple[Timed, ...]:
    total = len(tasks) * (2 * repeats + 2)
    done = 0
    prepared: list[_Prepared | str] = []
    made_in: list[int] = []
    for task in tasks:
        prepared.append(worker.outcome(_prepare, task))
        made_in.append(worker.process)
        done += 2
        progress(done, total)
    jobs = [
        (index, function)
        for index in range(len(tasks))
        if not isinstance(prepared[index], str)
        for function in (_encode_s, _decode_s)
        for _ in range(repeats)
    ]
    order.shuffle(jobs)
    seconds: dict[tuple[int, Callable[..., float]], list[float]] = {}
    failed: dict[int, str] = {}

    def timed(index: int, function: Callable[..., float]) -> float | str:
        while True:
            if made_in[index] != worker.process:
                again = worker.outcome(_prepare, tasks[index])
                made_in[index] = worker.process
                if isinstance(again, str):
                    return again
            found = worker.outcome_here(function, tasks[index], prepared[index])
            if found is not None:
                return found

    for done_, (index, function) in enumerate(jobs, done + 1):
        if index not in failed:
            found = timed(index, function)
            if isinstance(found, str):
                failed[index] = found
            else:
                seconds.setdefault((index, function), []).append(found)
        progress(done_, total)
    progress(total, total)
    rows = []
    for index, (task, first) in enumerate(zip(tasks, prepared, strict=True)):
        row = task.row
        about = row.image, row.point, row.codec, row.label
        pixels = row.width * row.height
        error = first if isinstance(first, str) else failed.get(index, "")
        if error or isinstance(first, str):
            rows.append(Timed(*about, row.backend, pixels, error=error))
            continue
        encode_s, decode_s = (tuple(seconds[index, function]) for function in (_encode_s, _decode_s))
        rows.append(Timed(*about, first.backend, pixels, first.whole_fit, first.same_file, encode_s, decode_s))
    return tuple(rows)


@cache
def _codec(spec: CodecSpec) -> Codec:
    return spec.create()


def _knobs(row: Row) -> tuple[float, ...]:
    """Return the knobs' values that made the row's file, from its trace."""
    made = [tuple(probe[:-1]) for probe in row.trace if probe[0] == row.knob and probe[-1] == row.num_bytes]
    return made[-1] if made else (row.knob or 0.0,)


def _prepare(task: _Task) -> _Prepared:
    codec, run = _codec(task.spec), Run.open(task.run_path)
    image = run.original(task.row.image)
    made = codec.encode(image, *_knobs(task.row))
    decoded_by(codec, run.file(task.row.stream).read_bytes())
    same = hashlib.sha256(made).hexdigest() == task.row.stream_sha256
    searched = (Codec.encode_to_size, TwoKnobCodec.encode_to_size)
    whole = not same and task.row.quality is None and type(codec).encode_to_size not in searched
    if whole:
        same = hashlib.sha256(_fit(task, codec, image)).hexdigest() == task.row.stream_sha256
    return _Prepared(codec.backend, whole, same)


def _fit(task: _Task, codec: Codec, image: Image) -> bytes:
    row = task.row
    assert row.target_bpp is not None
    data, _ = codec.encode_to_size(
        image, row.target_bpp * row.width * row.height / 8, tolerance_pct=task.tolerance_pct, policy=task.policy
    )
    return data


def _encode_s(task: _Task, prepared: _Prepared) -> float:
    codec, image = _codec(task.spec), Run.open(task.run_path).original(task.row.image)
    knobs = _knobs(task.row)
    start = time.perf_counter()
    if prepared.whole_fit:
        _fit(task, codec, image)
    else:
        codec.encode(image, *knobs)
    return time.perf_counter() - start


def _decode_s(task: _Task, _: _Prepared) -> float:
    codec, data = _codec(task.spec), Run.open(task.run_path).file(task.row.stream).read_bytes()
    start = time.perf_counter()
    decoded_by(codec, data)
    return time.perf_counter() - start
