"""The model card of a weights file, as Markdown."""

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isorate.codecs.learned.model.distortion import MS_SSIM_SCALE
from isorate.codecs.learned.training.checkpoint import newest_checkpoint
from isorate.errors import UsageError

CURVE_LINES = 12


def model_card(weights: Path, runs: Sequence[Path], data: str, hardware: str, commit: str) -> str:
    """Return the card.

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
        When a file is not there; the message names it.
    """
    if not runs:
        raise UsageError(f"{weights}: no run; name the folders of those that made it, in order")
    if missing := [path for path in (weights, *_curves(runs)) if not path.is_file()]:
        raise UsageError(f"{missing[0]}: no such file; give a weights file and the folders of the runs that made it")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    states = [_state(run) for run in runs]
    model = states[-1]["model"]
    lines = [
        f"# `{weights.name}`: {model['name']}",
        "",
        f"* **SHA-256** `{digest}`, {weights.stat().st_size} bytes",
        f"* **Data** {data}",
        f"* **Steps** {_sum_up(states)}",
        f"* **Hardware** {hardware}",
        f"* **Trained by** commit `{commit}`",
        f"* **Objective** D + λR, D {_distortion(states[-1])}; λ and Δ drawn for every image (docs/training.md)",
        f"* **Shape** {', '.join(f'{key} {value}' for key, value in model.items() if key != 'name')}",
        "",
        "Validation after each run: photographs never trained on, latents truly rounded, Δ = 1, estimated bits.",
        "",
        "| run | log10 λ | bits per pixel | PSNR, dB | MS-SSIM |",
        "|---|---|---|---|---|",
    ]
    for number, run in enumerate(runs, 1):
        rows = _rows(run / "validation.csv")
        last = rows[-1]["step"]
        lines += [
            f"| {number} | {row['log10_lmbda']} | {float(row['bpp']):.4f} | {float(row['psnr']):.2f} "
            f"| {float(row['ms_ssim']):.4f} |"
            for row in rows
            if row["step"] == last
        ]
    lines += ["", "Training loss:", "", "| run | step | seconds | loss | learning rate |", "|---|---|---|---|---|"]
    for number, run in enumerate(runs, 1):
        rows = _rows(run / "curve.csv")
        lines += [
            f"| {number} | {row['step']} | {float(row['seconds']):.0f} | {float(row['loss']):.4f} "
            f"| {float(row['learning_rate']):.1e} |"
            for row in rows[:: -(-len(rows) // CURVE_LINES)]
        ]
    return "\n".join(lines) + "\n"


def _curves(runs: Sequence[Path]) -> list[Path]:
    return [run / name for run in runs for name in ("validation.csv", "curve.csv")]


def _state(run: Path) -> dict[str, Any]:
    newest = newest_checkpoint(run)
    if newest is None:
        raise UsageError(f"{run} holds no checkpoint")
    state: dict[str, Any] = json.loads((newest / "state.json").read_text(encoding="utf-8"))
    return state


def _distortion(state: dict[str, Any]) -> str:
    share = state["train"].get("ms_ssim_share", 0.0)
    if not share:
        return "the mean squared error"
    return f"{share:g} · {MS_SSIM_SCALE} · (1 - MS-SSIM) + {1 - share:g} · the mean squared error"


def _sum_up(states: Sequence[dict[str, Any]]) -> str:
    parts = []
    for state in states:
        train = state["train"]
        crops = f"{train['batch_size']} crops of {train['crop_size']}²"
        parts.append(f"{state['step']} of {crops} in {state['seconds']:.0f} s")
    return ", then ".join(parts)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
