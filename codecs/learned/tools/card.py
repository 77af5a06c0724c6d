"""``python -m isorate.codecs.learned.tools.card WEIGHTS RUN...``: the model card of a weights file, as Markdown."""

import argparse
import csv
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isorate.codecs.learned.model.distortion import MS_SSIM_SCALE
from isorate.codecs.learned.training.checkpoint import newest_checkpoint
from isorate.errors import IsorateError, UsageError

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
    """
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


def main(arguments: list[str] | None = None) -> int:
    """Print the card; return the exit status."""
    parser = argparse.ArgumentParser(description="Print the model card of a weights file.")
    parser.add_argument("weights", type=Path)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of the runs that made it, in order")
    parser.add_argument("--data", required=True, help="a sentence on the photographs")
    parser.add_argument("--hardware", default=f"{platform.processor() or platform.machine()}, {platform.system()}")
    parser.add_argument("--commit", help="default: that of the working tree")
    given = parser.parse_args(arguments)
    try:
        commit = given.commit or subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()
        print(model_card(given.weights, given.runs, given.data, given.hardware, commit), end="")
    except (IsorateError, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
