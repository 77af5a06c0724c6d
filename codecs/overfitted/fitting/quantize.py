"""From fitted nets to whole numbers: the step of each kind of parameters by trial, cheapest in D + λR."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isorate.codecs.overfitted.bitstream import parameters
from isorate.codecs.overfitted.bitstream.parameters import KINDS, UNIT_BITS, Coding, Kind, Levels
from isorate.codecs.overfitted.bitstream.starts import Params
from isorate.codecs.overfitted.bitstream.symbols import LIMIT
from isorate.codecs.overfitted.fitting.state import State

COARSEST = 3
PATIENCE = 2
"""Finer steps that are tried after the best one."""
LARGEST_ARM_WEIGHT = 31.0


@torch.no_grad()
def quantize(state: State, lmbda: float, first: Params) -> tuple[Levels, tuple[Coding, ...]]:
    """Return the levels, from `first`, and codings of the nets' parameters; the latents are taken as rounded.

    The kinds are decided one after the other, the others as they stand: first those of the picture, then those of the
    context model.
    """
    rounded = state.rounded()
    values: Params = {name: value.cpu().double().numpy() for name, value in state.matrices().items()}
    for name in values:
        if name.partition(".")[0] in ("arm", "features"):
            values[name] = values[name].clip(-LARGEST_ARM_WEIGHT, LARGEST_ARM_WEIGHT)
    levels: Levels = {}
    codings: dict[Kind, Coding] = {}
    for kind in sorted(KINDS, key=lambda kind: kind.finest == UNIT_BITS):
        best: tuple[float, Levels, Coding] | None = None
        since = 0
        for step in range(COARSEST, kind.finest + 1):
            trial = parameters.quantized(values, kind, step, first)
            numbers = parameters.flat(trial, kind)
            if np.abs(numbers).max() > LIMIT:
                break
            scale, bits = parameters.best_scale(numbers)
            coding = Coding(step, scale)
            tried = values | parameters.restored(trial, kind, coding, first)
            cost = _cost(state, rounded, tried, kind, lmbda) + lmbda * bits / state.num_pixels
            if best is None or cost < best[0]:
                best, since = (cost, trial, coding), 0
            else:
                since += 1
                if since > PATIENCE:
                    break
        assert best is not None
        levels |= best[1]
        codings[kind] = best[2]
        values |= parameters.restored(best[1], kind, best[2], first)
    return {name: levels[name] for name in values}, tuple(codings[kind] for kind in KINDS)


def _cost(state: State, latents: Tensor, values: Params, kind: Kind, lmbda: float) -> float:
    """Return what of D + λR depends on `kind`."""
    params = {name: _tensor(value, state.image.device) for name, value in values.items()}
    if kind.finest == UNIT_BITS:
        return lmbda * float(state.decoder.bits(latents, params).sum()) / state.num_pixels
    return state.error(latents, params)


def _tensor(value: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(value).to(device, torch.float32)
