"""Levels of the nets by trial: one level up or down where D + λR falls, the most promising first."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from isorate.codecs.overfitted.bitstream import parameters
from isorate.codecs.overfitted.bitstream.parameters import KINDS, Coding, Kind, Levels, Reading
from isorate.codecs.overfitted.bitstream.symbols import LIMIT
from isorate.codecs.overfitted.fitting.quantize import cost_of
from isorate.codecs.overfitted.fitting.state import State

BATCH = 64
"""Trials between two gradients."""


@dataclass(frozen=True, slots=True, order=True)
class _Trial:
    """One level more or less.

    Attributes
    ----------
    expected
        Change of D + λR by the gradient.
    name, place
        The parameter.
    move
        1 or -1.
    """

    expected: float
    name: str
    place: int
    move: int


class _Polish:
    def __init__(
        self, state: State, lmbda: float, levels: Levels, codings: tuple[Coding, ...], reading: Reading
    ) -> None:
        self.state, self.levels = state, {name: value.copy() for name, value in levels.items()}
        self.lmbda, self.per_bit, self.reading = lmbda, lmbda / state.num_pixels, reading
        self.kinds: dict[str, tuple[Kind, Coding]] = {
            name: (kind, coding) for kind, coding in zip(KINDS, codings, strict=True) for name in reading.coded(kind)
        }
        self.rounded = state.rounded()
        self.tried: set[tuple[str, int, int]] = set()

    def codings(self) -> tuple[Coding, ...]:
        """Return the codings with the scales that serve the levels of now."""
        found = []
        for kind in KINDS:
            scale, _ = parameters.best_scale(parameters.flat(self.levels, kind, self.reading), self.reading)
            found.append(Coding(self.kinds[self.reading.coded(kind)[0]][1].step, scale))
        return tuple(found)

    def bits(self, name: str, levels: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.reading.code(self.kinds[name][1]).bits(levels)

    def size(self, name: str) -> float:
        """Return the size of a level."""
        kind, coding = self.kinds[name]
        return 2.0 ** -self.reading.exponent(kind, name, coding.step)

    def promising(self) -> list[_Trial]:
        """Return the trials by which D + λR falls if the gradient is right, the best first."""
        state = self.state
        state.clear_gradients()
        distortion, latent_bits = state.cost(self.rounded)
        (distortion + self.per_bit * latent_bits).backward()  # type: ignore[no-untyped-call]
        found = []
        for name in self.kinds:
            gradient = state.params[name].grad
            assert gradient is not None
            slope = gradient.flatten().cpu().double().numpy() * self.size(name)
            levels = self.levels[name].ravel()
            now = self.bits(name, levels)
            for move in (1, -1):
                change = slope * move + self.per_bit * (self.bits(name, levels + move) - now)
                places = np.flatnonzero((change < 0) & (np.abs(levels + move) < LIMIT))
                found += [
                    _Trial(float(change[place]), name, int(place), move)
                    for place in places
                    if (name, int(place), move) not in self.tried
                ]
        return sorted(found)

    def cost(self, kind: Kind) -> float:
        return cost_of(self.state, self.rounded, self.state.matrices(), kind, self.lmbda)

    def run(self, trials: int) -> None:
        """Make at most `trials`."""
        one_of = {kind.of_picture: kind for kind in KINDS}
        costs = {of_picture: self.cost(kind) for of_picture, kind in one_of.items()}
        while trials > 0 and (promising := self.promising()[: min(BATCH, trials)]):
            trials -= len(promising)
            for trial in promising:
                self.make(trial, costs)

    @torch.no_grad()
    def make(self, trial: _Trial, costs: dict[bool, float]) -> None:
        """Make a trial, and keep its move where D + λR falls; `costs` are those of the nets as they are."""
        self.tried.add((trial.name, trial.place, trial.move))
        kind, _ = self.kinds[trial.name]
        levels, value = self.levels[trial.name].reshape(-1), self.state.params[trial.name].view(-1)
        before, here = float(value[trial.place]), levels[trial.place : trial.place + 1]
        value[trial.place] += trial.move * self.size(trial.name)
        cost = self.cost(kind)
        rate = self.per_bit * float((self.bits(trial.name, here + trial.move) - self.bits(trial.name, here))[0])
        if cost + rate < costs[kind.of_picture]:
            costs[kind.of_picture] = cost
            levels[trial.place] += trial.move
            self.tried.discard((trial.name, trial.place, -trial.move))
        else:
            value[trial.place] = before


def polish(
    state: State, lmbda: float, levels: Levels, codings: tuple[Coding, ...], reading: Reading, trials: int
) -> tuple[Levels, tuple[Coding, ...]]:
    """Return better levels and their codings.

    Parameters
    ----------
    state
        Its nets are those of `levels`, and follow; its latents are taken as rounded.
    lmbda
        λ.
    levels, codings, reading
        Of the nets.
    trials
        At most so many are made.
    """
    work = _Polish(state, lmbda, levels, codings, reading)
    work.run(trials)
    return work.levels, work.codings()
