"""From fitted nets to whole numbers: the step of each kind of parameters by trial, cheapest in D + λR."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isorate.codecs.overfitted.bitstream import parameters
from isorate.codecs.overfitted.bitstream.parameters import KINDS, Coding, Kind, Levels, Reading
from isorate.codecs.overfitted.bitstream.starts import Params
from isorate.codecs.overfitted.bitstream.symbols import LIMIT
from isorate.codecs.overfitted.fitting.optimizers import Optimizers
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.codecs.overfitted.fitting.state import State
from isorate.codecs.overfitted.fitting.train_nets import train_nets

COARSEST = 3
PATIENCE = 2
"""Finer steps that are tried after the best one."""
LARGEST_ARM_WEIGHT = 31.0
ORDER = sorted(KINDS, key=lambda kind: kind.of_picture)
"""The kinds as they are decided: those of the context model, then those of the picture."""
UNMENDED = 0.4
"""What is left of a step's damage after the other parameters were trained on."""


class Quantizer:
    """Quantizes the nets kind by kind, and trains what is not quantized yet in between.

    Of each kind the half that is nearest to whole levels is taken first (incremental quantization, Zhou et al. 2017).

    Parameters
    ----------
    state
        The fit's; its nets are whole levels in the end.
    lmbda
        λ.
    reading
        What levels mean.
    settings
        The steps of training and their rate.
    """

    def __init__(self, state: State, lmbda: float, reading: Reading, settings: Settings) -> None:
        self.levels: Levels = {}
        self._state, self._lmbda, self._reading, self._settings = state, lmbda, reading, settings
        self._codings: dict[Kind, Coding] = {}
        self._fixed: dict[str, Tensor] = {}

    @property
    def codings(self) -> tuple[Coding, ...]:
        """The kinds' codings, in their order."""
        return tuple(self._codings[kind] for kind in KINDS)

    def run(self) -> Iterator[None]:
        """Quantize; yields after each step of training."""
        for kind in ORDER:
            _, coding = _best(self._state, _values(self._state), kind, self._lmbda, self._reading, UNMENDED)
            for share in (0.5, 1.0):
                self._fix(kind, coding.step, share)
                if share < 1 or kind != ORDER[-1]:
                    yield from self._train()
            levels = parameters.quantized(_values(self._state), kind, coding.step, self._reading)
            self.levels |= levels
            scale, _ = parameters.best_scale(parameters.flat(levels, kind, self._reading), self._reading)
            self._codings[kind] = Coding(coding.step, scale)
        self.levels = {name: self.levels[name] for name in self._state.params}

    @torch.no_grad()
    def _fix(self, kind: Kind, step: int, share: float) -> None:
        """Fix the `share` of each parameter tensor of `kind` that is nearest to whole levels there."""
        for name in self._reading.coded(kind):
            value, exponent = self._state.params[name], self._reading.exponent(kind, name, step)
            levels = (value - _tensor(self._reading.first[name], value.device).view_as(value)) * 2.0**exponent
            whole = torch.round(levels)
            distance = (levels - whole).abs().flatten()
            nearest = distance.argsort(stable=True)[: max(1, round(share * distance.numel()))]
            fixed = torch.zeros_like(distance, dtype=torch.bool)
            fixed[nearest] = True
            fixed = fixed.view_as(value)
            value.add_(torch.where(fixed, (whole - levels) * 2.0**-exponent, 0))
            self._fixed[name] = fixed

    def _train(self) -> Iterator[None]:
        settings, steps = self._settings, self._settings.retrain_steps
        optimizers = Optimizers(self._state, replace(settings, rate=settings.retrain_rate), settings.latent_betas)
        shares = [math.sin(math.pi * (step + 0.5) / steps) for step in range(steps)]
        return train_nets(self._state, self._lmbda, optimizers, shares, self._fixed)


def expected_overhead(state: State, latents_bits: float, lmbda: float, reading: Reading) -> float:
    """Return the bits of the nets, and those that they will add to the latents', when :class:`Quantizer` is done.

    Parameters
    ----------
    state
        The fit's, its nets not quantized.
    latents_bits
        Bits of the rounded latents under these nets.
    lmbda, reading
        See :class:`Quantizer`.
    """
    levels, codings = quantize(state, lmbda, reading, UNMENDED)
    restored = parameters.all_restored(levels, codings, reading)
    params = {name: _tensor(value, state.image.device) for name, value in restored.items()}
    quantized_bits = float(state.decoder.bits(state.rounded(), params).sum())
    return UNMENDED * (quantized_bits - latents_bits) + parameters.count_bits(levels, reading)


def quantize(state: State, lmbda: float, reading: Reading, unmended: float = 1.0) -> tuple[Levels, tuple[Coding, ...]]:
    """Return the levels and codings of the nets as they are; the latents are taken as rounded.

    Steps are those that cost least where a share `unmended` of what they do to D + λR is left in the end.
    """
    values = _values(state)
    levels: Levels = {}
    codings: dict[Kind, Coding] = {}
    for kind in ORDER:
        found, codings[kind] = _best(state, values, kind, lmbda, reading, unmended)
        levels |= found
        values |= parameters.restored(found, kind, codings[kind], reading)
    return {name: levels[name] for name in values}, tuple(codings[kind] for kind in KINDS)


@torch.no_grad()
def _best(
    state: State, values: Params, kind: Kind, lmbda: float, reading: Reading, unmended: float
) -> tuple[Levels, Coding]:
    """Return the levels and the coding of `kind` that cost least, `unmended` of what they do to D + λR counted."""
    rounded = state.rounded()
    before = _cost_of_values(state, rounded, values, kind, lmbda)
    best: tuple[float, Levels, Coding] | None = None
    since = 0
    for step in range(COARSEST, kind.finest + 1):
        trial = parameters.quantized(values, kind, step, reading)
        numbers = parameters.flat(trial, kind, reading)
        if np.abs(numbers).max() > LIMIT:
            break
        scale, bits = parameters.best_scale(numbers, reading)
        coding = Coding(step, scale)
        tried = values | parameters.restored(trial, kind, coding, reading)
        damage = _cost_of_values(state, rounded, tried, kind, lmbda) - before
        cost = unmended * damage + lmbda * bits / state.num_pixels
        if best is None or cost < best[0]:
            best, since = (cost, trial, coding), 0
        else:
            since += 1
            if since > PATIENCE:
                break
    assert best is not None
    return best[1], best[2]


def _values(state: State) -> Params:
    values: Params = {name: value.detach().cpu().double().numpy() for name, value in state.matrices().items()}
    for name in values:
        if name.partition(".")[0] in ("arm", "features"):
            values[name] = values[name].clip(-LARGEST_ARM_WEIGHT, LARGEST_ARM_WEIGHT)
    return values


def _cost_of_values(state: State, latents: Tensor, values: Params, kind: Kind, lmbda: float) -> float:
    params = {name: _tensor(value, state.image.device) for name, value in values.items()}
    return cost_of(state, latents, params, kind, lmbda)


@torch.no_grad()
def cost_of(state: State, latents: Tensor, params: dict[str, Tensor], kind: Kind, lmbda: float) -> float:
    """Return what of D + λR, without the nets' own bits, depends on parameters of `kind`."""
    if kind.of_picture:
        return state.distortion(latents, params)
    return lmbda / state.num_pixels * float(state.decoder.bits(latents, params).sum())


def _tensor(value: NDArray[np.float64], device: torch.device) -> Tensor:
    return torch.from_numpy(value).to(device, torch.float32)
