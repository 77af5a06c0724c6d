"""Checkpoints: folders of safetensors shards and one JSON file, complete or absent.

A checkpoint is written beside its place and renamed into it, so a run killed at any moment leaves the previous one
usable. Shards are at most `max_bytes` long, so that a checkpoint travels through channels that limit a file's size.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Never

import torch
from msgspec import Meta
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.skeleton import skeleton
from isorate.errors import UsageError
from isorate.files.plain import LARGEST_TEXT, read_plain
from isorate.files.typed_json import fit

MEBIBYTE = 2**20
PREFIX = "step-"
NAME = re.compile(rf"{PREFIX}(\d{{8,}})")
STATE = "state.json"
PARTS = "parts"
"""The key of the number of shards; checkpoints of before have none."""
HALF_PRECISION_FROM = 2
_Count = Annotated[int, Meta(ge=0)]
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("step", "skipped", "warm_from", "prior_steps", PARTS), _Count),
    **dict.fromkeys(("seconds", "validated_at"), float),
    "model": ModelConfig,
    "train": dict[str, Any],
}
"""What the state's values are; seconds of a recipe without an end are Infinity, which strict JSON does not know."""


def storage_dtype(tensor: Tensor) -> torch.dtype:
    """Return how small files hold `tensor`: kernels in float16, scales and biases (one axis or two) in float32."""
    return torch.float16 if tensor.dim() > HALF_PRECISION_FROM else torch.float32


class State(dict[str, Any]):
    """The state of a run as a checkpoint holds it; a key that it lacks is a UsageError naming the file."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.path = path

    def __missing__(self, key: str) -> Never:
        raise _damaged(self.path, f"lacks {key!r}")


def write_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], state: dict[str, Any], *, max_bytes: int, kept: int
) -> Path:
    """Write the checkpoint of `step` under `folder`, in files of `max_bytes` (0: no limit), and return its path.

    Of this step's and earlier ones all but the `kept` newest are dropped; those of later steps, which another run has
    left, stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{PREFIX}{step:08d}"
    partial = folder / f".{final.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    shards = _shards(tensors, max_bytes)
    for number, shard in enumerate(shards):
        save_file(shard, partial / _shard_name(number))
    (partial / STATE).write_text(json.dumps({**state, PARTS: len(shards)}, indent=1), encoding="utf-8")
    for path in partial.iterdir():
        _flush(path)
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    _flush(folder)
    for old in [path for at, path in _checkpoints(folder) if at <= step][:-kept]:
        shutil.rmtree(old)
    return final


def read_checkpoint(path: Path, device: str = "cpu") -> tuple[dict[str, Tensor], State]:
    """Return the tensors and the state of the checkpoint at `path`, or of the newest one inside that folder.

    Raises
    ------
    UsageError
        When there is none, or it is damaged.
    """
    if not (path / STATE).is_file():
        newest = newest_checkpoint(path)
        if newest is None:
            raise UsageError(f"{path} holds no checkpoint; name a run's folder or one of the checkpoints in it")
        path = newest
    state = read_state(path)
    count = state.pop(PARTS, len([*path.glob("part-*[0-9].safetensors")]))
    tensors: dict[str, Tensor] = {}
    for shard in [path / _shard_name(number) for number in range(count)]:
        try:
            tensors.update(load_file(shard, device=device))
        except (SafetensorError, OSError) as error:
            raise _damaged(shard, f"cannot be read ({error})") from None
    whole = _joined(path, tensors)
    if "model" in state:
        _check_parameters(path, whole, ModelConfig.from_dict(state["model"]))
    return whole, state


def read_state(path: Path) -> State:
    """Return the state of the checkpoint at `path`, without its tensors.

    Raises
    ------
    UsageError
        When it is missing or damaged.
    """
    file = path / STATE
    try:
        values = fit(json.loads(read_plain(file, LARGEST_TEXT)), dict[str, Any])
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, f"cannot be read ({error})") from None
    for key in _KINDS.keys() & values.keys():
        try:
            fit(values[key], _KINDS[key])
        except (ValueError, UsageError) as error:
            raise _damaged(file, f"has no usable {key!r} ({error})") from None
    return State(file, values)


def newest_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint under `folder`, or None."""
    found = [path for _, path in _checkpoints(folder) if (path / STATE).is_file()]
    return found[-1] if found else None


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Return the steps and paths of all checkpoints under `folder`, the earliest first."""
    found = [(NAME.fullmatch(path.name), path) for path in folder.glob(f"{PREFIX}*")]
    return sorted((int(name[1]), path) for name, path in found if name)


def _shard_name(number: int) -> str:
    return f"part-{number:02d}.safetensors"


def _damaged(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} {why}; copy the checkpoint again, or remove its folder and go on from an earlier one")


def _check_parameters(path: Path, tensors: Mapping[str, Tensor], config: ModelConfig) -> None:
    """Refuse a checkpoint whose tensors are not the whole model's: those of before named no number of files."""
    shapes = {name: tensor.shape for name, tensor in skeleton(config).named_parameters()}
    for prefix in ("ema.", "model."):
        held = {name: tensor.shape for name, tensor in tensors.items() if name.startswith(prefix)}
        if not held and prefix == "model.":  # a compact one
            continue
        for name, shape in shapes.items():
            if held.get(prefix + name) != shape:
                raise _damaged(path, f"lacks {prefix}{name} in the shape that its model has")


def _shards(tensors: Mapping[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    """Return `tensors` in groups of at most `max_bytes` (less a margin for headers), first fit, large ones cut."""
    limit = max_bytes - min(max_bytes // 8, MEBIBYTE // 2) if max_bytes else sys.maxsize
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


def _joined(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    whole = {name: tensor for name, tensor in tensors.items() if "#" not in name}
    cut: dict[str, dict[int, Tensor]] = {}
    for name in tensors.keys() - whole.keys():
        of, _, number = name.rpartition("#")
        cut.setdefault(of, {})[int(number)] = tensors[name]
    for name, pieces in cut.items():
        if len(pieces) <= max(pieces):
            raise _damaged(path, f"lacks a piece of {name}")
        whole[name] = torch.cat([pieces[number] for number in range(len(pieces))])
    return whole


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
