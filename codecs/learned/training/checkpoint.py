"""Checkpoints: folders of safetensors shards and one JSON file, complete or absent.

A checkpoint is written beside its place and renamed into it, so a run killed at any moment leaves the previous one
usable. Shards are at most `max_bytes` long, so that a checkpoint travels through channels that limit a file's size.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from isorate.errors import UsageError

MEBIBYTE = 2**20
PREFIX = "step-"
HALF_PRECISION_FROM = 2


def storage_dtype(tensor: Tensor) -> torch.dtype:
    """Return how small files hold `tensor`: kernels in float16, scales and biases (one axis or two) in float32."""
    return torch.float16 if tensor.dim() > HALF_PRECISION_FROM else torch.float32


def write_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], state: dict[str, Any], *, max_bytes: int, kept: int
) -> Path:
    """Write the checkpoint of `step` under `folder`, drop all but the `kept` newest, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{PREFIX}{step:08d}"
    partial = folder / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for number, shard in enumerate(_shards(tensors, max_bytes)):
        save_file(shard, partial / f"part-{number:02d}.safetensors")
    (partial / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
    for path in partial.iterdir():
        _flush(path)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    _flush(folder)
    for old in sorted(folder.glob(f"{PREFIX}*"))[:-kept]:
        shutil.rmtree(old)
    return final


def read_checkpoint(path: Path, device: str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the state of the checkpoint at `path`, or of the newest one inside that folder."""
    if not (path / "state.json").is_file():
        newest = newest_checkpoint(path)
        if newest is None:
            raise UsageError(f"{path} holds no checkpoint")
        path = newest
    state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
    tensors: dict[str, Tensor] = {}
    for shard in sorted(path.glob("part-*.safetensors")):
        tensors.update(load_file(shard, device=device))
    return _joined(tensors), state


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint under `folder`, or None."""
    found = sorted(path for path in folder.glob(f"{PREFIX}*") if (path / "state.json").is_file())
    return found[-1] if found else None


def _shards(tensors: Mapping[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    """Return `tensors` in groups of at most `max_bytes` (less a margin for headers), first fit, large ones cut."""
    limit = max_bytes - min(max_bytes // 8, MEBIBYTE // 2)
    pieces: list[tuple[str, Tensor]] = []
    for name, tensor in tensors.items():
        data = tensor.detach().cpu().contiguous()
        if data.nbytes <= limit:
            pieces.append((name, data))
            continue
        rows = max(1, limit // max(1, data[0].nbytes))
        cuts = torch.split(data, rows)
        pieces.extend((f"{name}#{number:03d}", cut.contiguous()) for number, cut in enumerate(cuts))
    shards: list[dict[str, Tensor]] = []
    room: list[int] = []
    for name, data in sorted(pieces, key=lambda piece: -piece[1].nbytes):
        place = next((i for i, left in enumerate(room) if left >= data.nbytes), None)
        if place is None:
            shards.append({})
            room.append(limit)
            place = len(shards) - 1
        shards[place][name] = data
        room[place] -= data.nbytes
    return shards


def _joined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    whole = {name: tensor for name, tensor in tensors.items() if "#" not in name}
    cut: dict[str, list[Tensor]] = {}
    for name in sorted(name for name in tensors if "#" in name):
        cut.setdefault(name.rpartition("#")[0], []).append(tensors[name])
    whole.update({name: torch.cat(parts) for name, parts in cut.items()})
    return whole


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
