"""The fit of a picture: latents and nets by gradient descent on D + λR, then the file.

1. Warm-up: several starts are tried for a few steps at full rates, the best is kept, and its optimizers begin anew.
   What a grid becomes, brightness or colour, is decided in the first steps and hardly changes later.
2. Latents with soft rounding and noise, nets beside them; the rates fall by a cosine, noise and temperature linearly.
   Where a size is asked for, λ follows it.
3. The nets alone, on rounded latents; the best state seen is kept.
4. The nets' parameters are quantized.
5. Where a size is asked for, λ is pushed and the latents follow until the file has passed it; then halving between the
   last two states finds it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.bitstream.starts import PLAIN, start
from isorate.codecs.overfitted.bitstream.stream import Content
from isorate.codecs.overfitted.bitstream.symbols import LIMIT
from isorate.codecs.overfitted.fitting.goal import Goal
from isorate.codecs.overfitted.fitting.optimizers import Optimizers
from isorate.codecs.overfitted.fitting.quantize import quantize
from isorate.codecs.overfitted.fitting.rounding import soft_round
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.codecs.overfitted.fitting.state import State
from isorate.codecs.overfitted.model import decoder
from isorate.image import Image

NOISE_BANK = 3
"""Noise is drawn once, this many times the latents' number, and read from a random place each step."""
LOWEST_RATE = 1e-3
"""The cosine ends at this share of a rate."""
END_RATE = 0.1
"""Share of the nets' rate with which phase 3 begins."""
LEAST_WARM_UP, MOST_WARM_UP = 15, 400
"""Steps of the warm-up for each start; fewer say little about it."""
TOLERANCE = 0.003
MOST_ROUNDS = 12
MOST_HALVINGS = 10
ROUND_STEPS = 15
ROUND_RATE = 0.6
"""Share of the latents' rates."""
ROUND_AT = 0.5
"""Where in phase 2 noise and temperature are as in phase 5."""
PUSH, LARGEST_PUSH = 1.5, 0.5
"""Change of log λ for a gap in log size of 1, and the largest."""
LARGEST_GAP = 0.7
"""Of the log size, while λ is led."""
EXCESS, EXCESS_POWER, SHORTFALL = 0.9, 2.6, 0.1
"""At a fixed λ the latents' bits, in the log, stand this much above those of the file while a share d of phase 2 is
over: EXCESS · (1 - d)^EXCESS_POWER - SHORTFALL. Without it λ would answer a fall that comes by itself."""

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
        self.generator = torch.Generator().manual_seed(seed)
        self.state = State(image, self.generator)
        if settings.start != PLAIN:
            self.state.set_params(start(settings.start))
        count = sum(len(latents) for latents in self.state.latents)
        self.bank = torch.randn(NOISE_BANK * count, generator=self.generator).to(image.device)
        self.optimizers = Optimizers(self.state, settings, settings.latent_betas)

    def run(self, progress: Progress = lambda step: None) -> Fitted:
        """Fit and return the file; `progress` is called with the number of steps done."""
        self.train(progress)
        return self.finish()

    def train(self, progress: Progress = lambda step: None) -> None:
        """Phases 1 to 3."""
        settings, done = self.settings, 0
        for _ in self._warm_up():
            done += 1
            progress(done)
        end = round(settings.steps * settings.end)
        for _ in self._descend(max(1, settings.steps - end - done)):
            done += 1
            progress(done)
        for _ in self._train_nets(end):
            done += 1
            progress(done)

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
            cost = measured.error + self.goal.lmbda * measured.bits / state.num_pixels
            if best is None or cost < best[0]:
                best = cost, state.copy()
        assert best is not None
        state.restore(best[1])
        self.optimizers = Optimizers(state, settings, settings.latent_betas)

    def finish(self) -> Fitted:
        """Quantize the nets, settle the latents, and return the file."""
        state, goal = self.state, self.goal
        levels, codings = quantize(state, goal.lmbda, start(self.settings.start))
        height, width = state.image.shape[1:]
        content = Content(height, width, self.settings.start, levels, codings, [])
        state.set_params(content.params)

        def file_of(latents: Tensor) -> bytes:
            parts = [y.to(torch.int64).cpu().numpy() for y in decoder.split(latents, state.grids)]
            return stream.write(replace(content, latents=parts))

        return Fitted(self._settled(file_of), goal.lmbda)

    def _settled(self, file_of: Callable[[Tensor], bytes]) -> bytes:
        """Phase 5: return a file of the wanted size, or the nearest one met."""
        goal = self.goal
        best = file = file_of(self._whole())
        # The squares that Adam remembers from phase 2 would hold the latents still.
        self.optimizers = Optimizers(self.state, self.settings, self.settings.warm_up_betas)
        for _ in range(min(MOST_ROUNDS, self.settings.steps // ROUND_STEPS)):
            if abs(goal.file_gap(best)) <= TOLERANCE:
                break
            before, earlier = goal.file_gap(file), [y.detach().clone() for y in self.state.latents]
            goal.move(min(max(PUSH * before, -LARGEST_PUSH), LARGEST_PUSH))
            for step in range(ROUND_STEPS):
                self.descend_once(ROUND_AT, ROUND_RATE * (1 - step / ROUND_STEPS), None)
            file = file_of(self._whole())
            best = self._nearer(best, file)
            if before * goal.file_gap(file) < 0:
                return self._between(earlier, before, best, file_of)
        return best

    @torch.no_grad()
    def _between(self, earlier: list[Tensor], before: float, best: bytes, file_of: Callable[[Tensor], bytes]) -> bytes:
        """Return the best file met on the way from `earlier` latents, of log size gap `before`, to those of now."""
        later = [y.clone() for y in self.state.latents]
        low, high = 0.0, 1.0
        for _ in range(MOST_HALVINGS):
            if abs(self.goal.file_gap(best)) <= TOLERANCE:
                break
            share = (low + high) / 2
            for y, one, other in zip(self.state.latents, earlier, later, strict=True):
                y.copy_(one.lerp(other, share))
            file = file_of(self._whole())
            best = self._nearer(best, file)
            low, high = (share, high) if self.goal.file_gap(file) * before > 0 else (low, share)
        return best

    def _nearer(self, one: bytes, other: bytes) -> bytes:
        return min(one, other, key=lambda file: abs(self.goal.file_gap(file)))

    def _whole(self) -> Tensor:
        return self.state.rounded().clamp_(-LIMIT, LIMIT)

    def _descend(self, steps: int) -> Iterator[None]:
        """Phase 2."""
        for step in range(steps):
            done = step / steps
            self.descend_once(done, max(0.5 * (1 + math.cos(math.pi * done)), LOWEST_RATE), self)
            yield

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
        error, bits = state.cost(soft_round(flat, self.bank[at : at + len(flat)] * noise, temperature))
        if nets is not None and done >= settings.lead_from:
            gap = goal.gap(bits.item()) - EXCESS * (1 - done) ** EXCESS_POWER + SHORTFALL
            goal.move(2 * (1 - done) * settings.lead / settings.steps * min(max(gap, -LARGEST_GAP), LARGEST_GAP))
        state.clear_gradients()
        loss = error + goal.lmbda * bits / state.num_pixels
        loss.backward()  # type: ignore[no-untyped-call]
        if nets is not None:
            nets.optimizers.step_nets(fall)
        self.optimizers.step_latents(fall)
        return loss.item()

    def _train_nets(self, steps: int) -> Iterator[None]:
        """Phase 3."""
        state = self.state
        rounded = state.rounded()
        best: tuple[float, list[Tensor]] | None = None
        for step in range(steps):
            error, bits = state.cost(rounded)
            loss = error + self.goal.lmbda * bits / state.num_pixels
            if best is None or loss.item() < best[0]:
                best = loss.item(), state.copy()
            state.clear_gradients()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizers.step_nets(max(END_RATE * 0.5 * (1 + math.cos(math.pi * step / steps)), LOWEST_RATE))
            yield
        if best is not None:
            state.restore(best[1])


def image_tensor(image: Image, device: torch.device) -> Tensor:
    """Return `image` (H, W, 3) as (3, H, W), float32, 0..1."""
    return torch.from_numpy(np.array(image, order="C")).to(device).permute(2, 0, 1).float() / 255
