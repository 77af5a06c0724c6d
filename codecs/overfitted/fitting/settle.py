"""Phase 5: latents follow a λ that is pushed until the file has passed its size; halving between two states finds it.

The nets are whole levels and stay. Rates are small and rise slowly: optimizers that begin anew at full rates move every
latent, and what 10,000 steps found is lost.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.bitstream.stream import Content
from isorate.codecs.overfitted.bitstream.symbols import LIMIT
from isorate.codecs.overfitted.fitting.optimizers import Optimizers
from isorate.codecs.overfitted.model import decoder

if TYPE_CHECKING:
    from isorate.codecs.overfitted.fitting.fit import Fit

TOLERANCE = 0.003
MOST_ROUNDS, MOST_HALVINGS = 12, 10
ROUND_STEPS = 30
LARGEST_GAP = 0.06
"""Of the log size: what all rounds close. To take the later half of phase 2 again takes half as long again as the fit
and is no better."""
WARM = 30
"""Steps in which Adam only learns how large gradients are: first steps move every latent by the whole rate."""
ROUND_RATE, LARGEST_RATE = 0.02, 0.5
"""Share of the latents' rates, and the largest."""
SMALL_GAP, RATE_OF_GAP = 0.03, 2.0
"""A gap in log size above the first needs larger rates."""
ROUND_AT = 0.9
"""Where in phase 2 noise and temperature are as here."""
PUSH, LARGEST_PUSH = 10.0, 1.0
"""Change of log λ for a gap in log size of 1, and the largest."""


def largest_gap(steps: int) -> float:
    """Return the gap in log size that is closed here at the end of a fit of so many steps."""
    return LARGEST_GAP * min(1.0, _rounds(steps) / MOST_ROUNDS)


def _rounds(steps: int) -> int:
    return min(MOST_ROUNDS, steps // ROUND_STEPS)


def settled(fit: "Fit", content: Content) -> bytes:
    """Return a file of the wanted size, or the nearest one met.

    Parameters
    ----------
    fit
        Its nets are those of `content`.
    content
        All but the latents.
    """
    return _Settling(fit, content).run()


class _Settling:
    def __init__(self, fit: "Fit", content: Content) -> None:
        self.fit, self.content, self.goal = fit, content, fit.goal
        self.best = self.file = self.file_now()

    def file_now(self) -> bytes:
        state = self.fit.state
        latents = decoder.split(state.rounded().clamp_(-LIMIT, LIMIT), state.grids)
        parts = [y.to(torch.int64).cpu().numpy() for y in latents]
        return stream.write(replace(self.content, latents=parts))

    def is_met(self) -> bool:
        return abs(self.goal.file_gap(self.best)) <= TOLERANCE

    def write(self) -> float:
        """Write the file of now, keep it where it is the nearest, and return its gap."""
        self.file = self.file_now()
        self.best = min(self.best, self.file, key=lambda file: abs(self.goal.file_gap(file)))
        return self.goal.file_gap(self.file)

    def run(self) -> bytes:
        fit, goal = self.fit, self.goal
        fit.optimizers = Optimizers(fit.state, fit.settings, fit.settings.latent_betas)
        if not self.is_met():
            for _ in range(WARM):
                fit.descend_once(ROUND_AT, 0.0, None)
        for _ in range(_rounds(fit.settings.steps)):
            if self.is_met():
                break
            before, earlier = goal.file_gap(self.file), [y.detach().clone() for y in fit.state.latents]
            goal.move(min(max(PUSH * before, -LARGEST_PUSH), LARGEST_PUSH))
            rate = min(max(RATE_OF_GAP * (abs(before) - SMALL_GAP), ROUND_RATE), LARGEST_RATE)
            for step in range(ROUND_STEPS):
                fit.descend_once(ROUND_AT, rate * math.sin(math.pi * (step + 0.5) / ROUND_STEPS), None)
            if before * self.write() < 0:
                self.halve(earlier, before)
                break
        return self.best

    @torch.no_grad()
    def halve(self, earlier: list[Tensor], before: float) -> None:
        """Look for the size on the way from `earlier` latents, of gap `before`, to those of now."""
        later = [y.clone() for y in self.fit.state.latents]
        low, high = 0.0, 1.0
        for _ in range(MOST_HALVINGS):
            if self.is_met():
                break
            share = (low + high) / 2
            for y, one, other in zip(self.fit.state.latents, earlier, later, strict=True):
                y.copy_(one.lerp(other, share))
            low, high = (share, high) if self.write() * before > 0 else (low, share)
