"""The fit of a picture: latents and nets by gradient descent on D + λR, then the file.

1. Warm-up: several starts are tried for a few steps at full rates, the best is kept, and its optimizers begin anew.
   What a grid becomes, brightness or colour, is decided in the first steps and hardly changes later.
2. Latents with soft rounding and noise, nets beside them; the rates fall by a cosine, noise and temperature linearly.
   Where a size is asked for, λ follows it.
3. The nets alone, on rounded latents; the best state seen is kept. Where the size is still far off, λ is corrected, and
   the later half of 2 and this come again.
4. The nets are quantized, kind by kind, and what is not quantized yet is trained in between; then levels are moved by
   trial.
5. Where a size is asked for, the latents follow a λ that is pushed until the file has it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isorate.codecs.overfitted.bitstream.header import VERSIONS
from isorate.codecs.overfitted.bitstream.parameters import Reading
from isorate.codecs.overfitted.bitstream.starts import PLAIN
from isorate.codecs.overfitted.bitstream.stream import Content
from isorate.codecs.overfitted.fitting.goal import Goal
from isorate.codecs.overfitted.fitting.lead import Lead
from isorate.codecs.overfitted.fitting.optimizers import Optimizers
from isorate.codecs.overfitted.fitting.polish import polish
from isorate.codecs.overfitted.fitting.quantize import Quantizer, expected_overhead
from isorate.codecs.overfitted.fitting.rounding import soft_round
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.codecs.overfitted.fitting.settle import largest_gap, settled
from isorate.codecs.overfitted.fitting.state import State
from isorate.codecs.overfitted.fitting.train_nets import train_nets
from isorate.codecs.overfitted.model.target import Target
from isorate.image import Image

NOISE_BANK = 3
"""Noise is drawn once, this many times the latents' number, and read from a random place each step."""
LOWEST_RATE = 1e-3
"""The cosine ends at this share of a rate."""
END_RATE = 0.1
"""Share of the nets' rate with which phase 3 begins."""
LEAST_WARM_UP, MOST_WARM_UP = 15, 400
"""Steps of the warm-up for each start; fewer say little about it."""

AGAIN, MOST_AGAIN = 0.5, 3
"""The share of phase 2 that is taken again where the gap is larger, and how often."""
RESPONSE = 0.6
"""Change of the latents' log bits for a change of log λ."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The result of a fit.

    Attributes
    ----------
    data
        The file.
    lmbda
        The last λ.
    """

    data: bytes
    lmbda: float


class Fit:
    """The fit of one picture.

    Parameters
    ----------
    image
        (3, H, W), float32, 0..1, on the device that fits.
    settings
        The schedule.
    goal
        λ, or the size that it is led to.
    seed
        Of starting values and noise.
    """

    def __init__(self, image: Tensor, settings: Settings, goal: Goal, seed: int = 0) -> None:
        self.settings, self.goal = settings, goal
        self.reading = Reading(settings.start, VERSIONS[-1])
        self.generator = torch.Generator().manual_seed(seed)
        self.state = State(Target.of(image, settings.ms_ssim_share), self.generator)
        if settings.start != PLAIN:
            self.state.set_params(self.reading.first)
            self.state.keep(self.reading.kept)
        count = sum(len(latents) for latents in self.state.latents)
        self.bank = torch.randn(NOISE_BANK * count, generator=self.generator).to(image.device)
        self.optimizers = Optimizers(self.state, settings, settings.latent_betas)
        self.steps_done = 0

    def run(self, progress: Progress = lambda step: None) -> Fitted:
        """Fit and return the file; `progress` is called with the number of steps done."""
        self.train(progress)
        return self.finish(progress)

    def train(self, progress: Progress = lambda step: None) -> None:
        """Phases 1 to 3."""
        self._follow(self._warm_up(), progress)
        end = round(self.settings.steps * self.settings.end)
        self._follow(self._descend(max(1, self.settings.steps - end - self.steps_done)), progress)
        self._follow(self._train_nets(end), progress)
        self._follow(self._descend_again(end), progress)

    def _follow(self, steps: Iterator[None], progress: Progress) -> None:
        for _ in steps:
            self.steps_done += 1
            progress(self.steps_done)

    def _warm_up(self) -> Iterator[None]:
        """Phase 1."""
        settings, state = self.settings, self.state
        total = int(settings.steps * settings.warm_up)
        tries = min(settings.tries, max(1, total // LEAST_WARM_UP)) if settings.start == PLAIN else 1
        steps = min(MOST_WARM_UP, total // tries)
        best: tuple[float, list[Tensor]] | None = None
        for number in range(tries):
            if number:
                state.begin_anew(self.generator)
            self.optimizers = Optimizers(state, settings, settings.warm_up_betas)
            for _ in range(steps):
                self.descend_once(0.0, 1.0, self)
                yield
            measured = state.measure()
            cost = measured.distortion + self.goal.lmbda * measured.bits / state.num_pixels
            if best is None or cost < best[0]:
                best = cost, state.copy()
        assert best is not None
        state.restore(best[1])
        self.optimizers = Optimizers(state, settings, settings.latent_betas)

    def finish(self, progress: Progress = lambda step: None) -> Fitted:
        """Phases 4 and 5."""
        state, settings = self.state, self.settings
        quantizer = Quantizer(state, self.goal.lmbda, self.reading, settings)
        self._follow(quantizer.run(), progress)
        trials = round(settings.steps * settings.polish)
        levels, codings = polish(state, self.goal.lmbda, quantizer.levels, quantizer.codings, self.reading, trials)
        height, width = state.image.shape[1:]
        content = Content(height, width, settings.start, levels, codings, [])
        state.set_params(content.params)
        return Fitted(settled(self, content), self.goal.lmbda)

    def _descend(self, steps: int) -> Iterator[None]:
        """Phase 2."""
        lead = Lead(self.goal, steps, self.state.num_pixels)
        for step in range(steps):
            done = step / steps
            if lead.is_due(step):
                bits = self.state.bits()
                if lead.weighs_nets(step):
                    lead.weigh_nets(self._expected_overhead(bits))
                lead.move(step, bits)
            self.descend_once(done, _fall(done), self)
            yield

    def _descend_again(self, end: int) -> Iterator[None]:
        """Take the later part of phase 2, and phase 3, again while the size is far off."""
        steps = round(self.settings.steps * AGAIN)
        for _ in range(MOST_AGAIN if self.goal.num_bytes is not None else 0):
            latents = self.state.bits()
            overhead = self._expected_overhead(latents)
            if abs(self.goal.gap(latents + overhead)) <= largest_gap(self.settings.steps):
                break
            self.goal.move(self.goal.latents_gap(latents, overhead) / RESPONSE)
            for step in range(steps):
                done = 1 - AGAIN * (1 - step / steps)
                self.descend_once(done, _fall(done), self)
                yield
            yield from self._train_nets(end)

    def descend_once(self, done: float, fall: float, nets: "Fit | None") -> float:
        """Take one step of phases 1 and 2 and return the loss.

        Parameters
        ----------
        done
            Share of phase 2 that is over.
        fall
            What learning rates are multiplied by.
        nets
            The fit whose optimizers hold the nets; None to leave them.
        """
        settings, goal, state = self.settings, self.goal, self.state
        temperature, noise = (first + (last - first) * done for first, last in (settings.temperature, settings.noise))
        flat = torch.cat(state.latents)
        at = int(torch.randint(len(self.bank) - len(flat), (), generator=self.generator))
        distortion, bits = state.cost(soft_round(flat, self.bank[at : at + len(flat)] * noise, temperature))
        state.clear_gradients()
        loss = distortion + goal.lmbda * bits / state.num_pixels
        loss.backward()  # type: ignore[no-untyped-call]
        if nets is not None:
            nets.optimizers.step_nets(fall)
        self.optimizers.step_latents(fall)
        return loss.item()

    def _expected_overhead(self, latents_bits: float) -> float:
        """Return what phase 4 will leave beside the bits that latents have now."""
        return expected_overhead(self.state, latents_bits, self.goal.lmbda, self.reading)

    def _train_nets(self, steps: int) -> Iterator[None]:
        """Phase 3."""
        shares = [_fall(step / steps, END_RATE) for step in range(steps)]
        return train_nets(self.state, self.goal.lmbda, self.optimizers, shares, {})


def _fall(done: float, first: float = 1.0) -> float:
    """Return the share of a rate, from `first` down by a cosine, while a share `done` of a phase is over."""
    return max(first * (0.5 * (1 + math.cos(math.pi * done))), LOWEST_RATE)


def image_tensor(image: Image, device: torch.device) -> Tensor:
    """Return `image` (H, W, 3) as (3, H, W), float32, 0..1."""
    return torch.from_numpy(np.array(image, order="C")).to(device).permute(2, 0, 1).float() / 255
