"""The model card of a weights file."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isorate.codecs.distortion import MS_SSIM_SCALE
from isorate.codecs.learned.bitstream.weights import metadata_value, read_metadata, weight_files
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.training.checkpoint import newest_checkpoint, read_state
from isorate.codecs.learned.training.curves import CURVE, VALIDATION
from isorate.errors import UsageError
from isorate.files.code import file_digest

CURVE_LINES = 12
POINT = ("log10_lmbda", "bpp", "psnr", "ms_ssim")


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run of those that made the weights, each continued from the one before.

    Attributes
    ----------
    steps, seconds
        How long it was.
    batch_size, crop_size
        Crops of a step, and their side in pixels.
    validation
        Its last validation, one entry for each λ: ``log10_lmbda``, ``bpp`` (bits a pixel), ``psnr`` (dB), ``ms_ssim``
        (None where the photographs are too small).
    curve
        At most :data:`CURVE_LINES` entries of its loss: ``step``, ``seconds``, ``loss``, ``learning_rate``.
    """

    steps: int
    seconds: float
    batch_size: int
    crop_size: int
    validation: list[dict[str, float | None]]
    curve: list[dict[str, float | None]]


@dataclass(frozen=True, slots=True)
class CardFile:
    """One file of the weights."""

    name: str
    sha256: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class Card:
    """What a model card says.

    Attributes
    ----------
    weights
        The weights file's name.
    files
        That file, and the further ones of long weights.
    data, hardware, commit
        The photographs, what trained the model, and the commit whose program did.
    ms_ssim_share
        The share of MS-SSIM in the distortion that was trained for, 0 to 1; the rest is the squared error.
    model
        The model's configuration.
    runs
        The runs, in order.
    """

    weights: str
    files: list[CardFile]
    data: str
    hardware: str
    commit: str
    ms_ssim_share: float
    model: dict[str, Any]
    runs: list[TrainingRun]


def facts(weights: Path, runs: Sequence[Path], data: str, hardware: str, commit: str) -> Card:
    """Return what the card of a weights file says.

    Parameters
    ----------
    weights
        The weights file.
    runs
        Folders of the runs that made it, in order: each continued from the one before.
    data
        A sentence on the photographs.
    hardware
        What trained it.
    commit
        The commit whose program trained it.

    Raises
    ------
    UsageError
        When a file is not there, or the last run's newest checkpoint is not what the weights were exported from; the
        message names it.
    """
    if not runs:
        raise UsageError(f"{weights}: no run; name the folders of those that made it, in order")
    if missing := [path for path in (weights, *_curves(runs)) if not path.is_file()]:
        raise UsageError(f"{missing[0]}: no such file; give a weights file and the folders of the runs that made it")
    metadata = read_metadata(weights)
    paths = weight_files(weights, metadata)
    states = [_state(run) for run in runs]
    _refuse_another_run(weights, metadata, runs[-1], states[-1])
    return Card(
        weights=weights.name,
        files=[CardFile(path.name, file_digest(path), path.stat().st_size) for path in paths],
        data=data,
        hardware=hardware,
        commit=commit,
        ms_ssim_share=states[-1]["train"].get("ms_ssim_share", 0.0),
        model=states[-1]["model"],
        runs=[_run(run, state) for run, state in zip(runs, states, strict=True)],
    )


def markdown(card: Card) -> str:
    """Return the card as Markdown."""
    lines = [
        f"# `{card.weights}`: {card.model['name']}",
        "",
        *(f"* **SHA-256** of `{file.name}`: `{file.sha256}`, {file.num_bytes} bytes" for file in card.files),
        f"* **Data** {card.data}",
        f"* **Steps** {', then '.join(map(_sum_up, card.runs))}",
        f"* **Hardware** {card.hardware}",
        f"* **Trained by** commit `{card.commit}`",
        f"* **Objective** D + λR, D {_distortion(card.ms_ssim_share)}; "
        "λ and Δ drawn for every image (docs/training.md)",
        f"* **Shape** {', '.join(f'{key} {value}' for key, value in card.model.items() if key != 'name')}",
        "",
        "Validation after each run: photographs never trained on, latents truly rounded, Δ = 1, estimated bits.",
        "",
        "| run | log10 λ | bits per pixel | PSNR, dB | MS-SSIM |",
        "|---|---|---|---|---|",
    ]
    for number, run in enumerate(card.runs, 1):
        lines += [
            f"| {number} | {row['log10_lmbda']} | {_number(row['bpp'], '.4f')} | {_number(row['psnr'], '.2f')} "
            f"| {_number(row['ms_ssim'], '.4f')} |"
            for row in run.validation
        ]
    lines += ["", "Training loss:", "", "| run | step | seconds | loss | learning rate |", "|---|---|---|---|---|"]
    for number, run in enumerate(card.runs, 1):
        lines += [
            f"| {number} | {_number(row['step'], '.0f')} | {_number(row['seconds'], '.0f')} "
            f"| {_number(row['loss'], '.4f')} | {_number(row['learning_rate'], '.1e')} |"
            for row in run.curve
        ]
    return "\n".join(lines) + "\n"


def _refuse_another_run(weights: Path, metadata: Mapping[str, str], run: Path, state: dict[str, Any]) -> None:
    """Raise when the run's newest checkpoint, of that state, is not what the weights were exported from."""
    model = metadata_value(weights, metadata, "config", ModelConfig)
    differences = model.differences(ModelConfig.from_dict(state["model"]))
    exported = metadata_value(weights, metadata, "training", dict[str, Any])
    for key in ("step", "seconds"):
        if key in exported and exported[key] != state[key]:
            differences[key] = exported[key], state[key]
    for key, (one, two) in differences.items():
        raise UsageError(
            f"{weights} was not made by {run}: its {key} is {one}, the run's {two}; "
            "name the folders of the runs that made it, in order, or export it anew"
        )


def _run(folder: Path, state: dict[str, Any]) -> TrainingRun:
    validation = _rows(folder / VALIDATION, ("step", *POINT))
    curve = _rows(folder / CURVE, ("step", "seconds", "loss", "learning_rate"))
    last = {row["log10_lmbda"]: row for row in validation if row["step"] == validation[-1]["step"]}
    return TrainingRun(
        steps=state["step"],
        seconds=state["seconds"],
        batch_size=state["train"]["batch_size"],
        crop_size=state["train"]["crop_size"],
        validation=[{name: row[name] for name in POINT} for row in last.values()],
        curve=curve[:: -(-len(curve) // CURVE_LINES)],
    )


def _finite(text: str) -> float | None:
    """Return the number; None for one that JSON cannot hold."""
    value = float(text)
    return value if math.isfinite(value) else None


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _curves(runs: Sequence[Path]) -> list[Path]:
    return [run / name for run in runs for name in (VALIDATION, CURVE)]


def _state(run: Path) -> dict[str, Any]:
    newest = newest_checkpoint(run)
    if newest is None:
        raise UsageError(f"{run} holds no checkpoint")
    return read_state(newest)


def _distortion(share: float) -> str:
    if not share:
        return "the mean squared error"
    return f"{share:g} · {MS_SSIM_SCALE} · (1 - MS-SSIM) + {1 - share:g} · the mean squared error"


def _sum_up(run: TrainingRun) -> str:
    return f"{run.steps} of {run.batch_size} crops of {run.crop_size}² in {run.seconds:.0f} s"


def _rows(path: Path, columns: Sequence[str]) -> list[dict[str, float | None]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{name: _finite(row[name]) for name in columns} for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error):
        rows = []
    if not rows:
        raise UsageError(f"{path}: no rows of a training run, with {', '.join(columns)}; restore it or train anew")
    return rows
