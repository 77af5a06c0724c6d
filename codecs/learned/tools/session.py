"""A session on a machine that is there for minutes: train, finish and export, gone on with by the same command.

::

    OUT/train/             the run of the first configuration
    OUT/finish/            the run of the second one, which starts from it
    OUT/MODEL.safetensors  the weights

Steps and the validation are tried before they count: batches that the memory does not hold are halved and blocks that
cannot be compiled stay as they are, which is said, and a CUDA graph that cannot be recorded is a
:class:`~isorate.codecs.learned.training.graph.GraphError` then and there.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from isorate.codecs.learned.bitstream.weights import SUFFIX
from isorate.codecs.learned.tools.export import check_output, export_weights
from isorate.codecs.learned.training.checkpoint import newest_checkpoint
from isorate.codecs.learned.training.compiled import CompilerError, compiles
from isorate.codecs.learned.training.data import Pack
from isorate.codecs.learned.training.folder import make_folder
from isorate.codecs.learned.training.graph import records
from isorate.codecs.learned.training.grow import check_growth
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import RunSettings, TrainSettings
from isorate.errors import UsageError

Say = Callable[[str], None]
RESERVE = 20.0
"""Seconds of a session that are kept for validation and the last files."""
PHOTOGRAPHS = 16
"""On which the exported file's rates are measured."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a session does.

    Attributes
    ----------
    train, finish
        The runs: the training, and its last minutes.
    start_from
        A weights file or checkpoint that the training begins with; None to begin anew.
    out
        The folder; what is in it is gone on with.
    seconds
        How long this session may take.
    max_file_bytes
        The longest file of a checkpoint; 0 for no limit.
    """

    train: RunSettings
    finish: RunSettings
    start_from: Path | None
    out: Path
    seconds: float
    max_file_bytes: int = 0


def run_session(session: Session, say: Say) -> Path | None:
    """Train until the weights are there or the time is over; return their file, None in the second case.

    Raises
    ------
    UsageError
        When the memory does not hold a step with one picture, `finish` names no validation photographs or is of
        another model than `train`, or the output cannot be written.
    DatasetError
        When photographs of either configuration are not there.
    GraphError
        When no CUDA graph can be recorded: another process may go on without.
    """
    validation = session.finish.validation_data
    if validation is None:
        raise UsageError("the last configuration's [data] must name validation photographs: rates are measured on them")
    end = time.monotonic() + session.seconds - RESERVE
    train, finish = session.out / "train", session.out / "finish"
    weights = session.out / f"{session.finish.model.name}{SUFFIX}"
    _check_together(session)
    for folder in (train, finish):
        make_folder(folder)
    check_output(weights)
    for settings, folder, source in ((session.train, train, session.start_from), (session.finish, finish, train)):
        if not _run(settings, folder, source, end, session.max_file_bytes, say):
            say(f"{folder}: the time is over; the same command goes on from here")
            return None
    path, _ = export_weights(finish, validation, weights, PHOTOGRAPHS)
    say(f"{path}: {path.stat().st_size} bytes")
    return path


def _check_together(session: Session) -> None:
    """Raise where the last configuration cannot go on from the first one's model, or photographs are not there."""
    try:
        check_growth(session.train.model, session.finish.model)
    except UsageError as error:
        raise UsageError(
            f"the last configuration cannot go on from the first one's model: {error}; give both the same [model]"
        ) from None
    for settings in (session.train, session.finish):
        for path in filter(None, (settings.train_data, settings.validation_data)):
            Pack(path)


def _run(settings: RunSettings, folder: Path, source: Path | None, end: float, max_bytes: int, say: Say) -> bool:
    """Go on with a run until it or the time is over; return whether the run is."""
    if newest_checkpoint(folder) is not None and (trainer := _begun(settings, folder, source, max_bytes)).finished:
        trainer.record_validation()
        return True
    if time.monotonic() >= end:
        return False
    settings = possible(settings, folder, say)
    trainer = _begun(settings, folder, source, max_bytes)
    where = f"{settings.train.batch_size} crops a step, on {trainer.place.device}"
    if trainer.place.runs_ahead:
        where += f", {'by' if records(trainer.place, settings.train) else 'without'} CUDA graphs"
        where += f", blocks {'' if compiles(trainer.place, settings.train) else 'not '}compiled"
    say(f"{folder}: from step {trainer.step}, {where}")
    trainer.run(max(end - time.monotonic(), 0.0))
    trainer.record_validation()
    return trainer.finished


def _begun(settings: RunSettings, folder: Path, source: Path | None, max_bytes: int) -> Trainer:
    trainer = Trainer(settings, folder, max_bytes, compact=True)
    if (newest := newest_checkpoint(folder)) is not None:
        trainer.resume(newest)
    elif source is not None:
        trainer.start_from(source)
    else:
        trainer.warm_start()
    return trainer


def possible(settings: RunSettings, folder: Path, say: Say) -> RunSettings:
    """Return the settings with batches that the memory holds, and without compiled parts where the compiler fails.

    Raises
    ------
    UsageError
        When the memory does not hold a step with one picture.
    GraphError
        When no CUDA graph can be recorded.
    """
    while True:
        try:
            Trainer(settings, folder).try_steps()
            return settings
        except CompilerError as error:
            say(f"{error}; going on without")
            changed = replace(settings.train, compiled=False)
        except torch.OutOfMemoryError as error:
            if settings.train.batch_size == 1:
                raise UsageError(f"no memory for a step with one crop: {error}") from None
            changed = _halved(settings)
            say(f"no memory for a step; trying {changed.batch_size} crops")
        gc.collect()
        torch.cuda.empty_cache()
        settings = replace(settings, train=changed)


def _halved(settings: RunSettings) -> TrainSettings:
    phases = tuple(
        replace(phase, changes={**phase.changes, "batch_size": max(1, phase.changes["batch_size"] // 2)})
        if "batch_size" in phase.changes
        else phase
        for phase in settings.train.phases
    )
    return replace(settings.train, batch_size=max(1, settings.train.batch_size // 2), phases=phases)
