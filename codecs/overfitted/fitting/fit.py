"""The fit of a picture: latents and nets by gradient descent on D + λR, then the file.

1. Latents with soft rounding and noise, nets beside them; the rates fall by a cosine, noise and temperature linearly.
   Where a size is asked for, λ follows it.
2. The nets alone, on rounded latents; the best state seen is kept.
3. The nets' parameters are quantized.
4. Where a size is asked for, λ is pushed and the latents follow until the file has passed it; then halving between the
   last two states finds it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from isorate.codecs.learned.training.soap import Soap
from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.bitstream.starts import PLAIN, start
from isorate.codecs.overfitted.bitstream.stream import Content
from isorate.codecs.overfitted.bitstream.symbols import LIMIT
from isorate.codecs.overfitted.fitting.goal import Goal
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
"""Share of the nets' rate with which the end phase begins."""
TOLERANCE = 0.003
MOST_ROUNDS = 12
MOST_SHARE = 0.4
"""Of the steps before, that phase 4 may take."""
MOST_HALVINGS = 10
ROUND_STEPS = 10
ROUND_RATE = 0.15
"""Share of the latents' rates."""
ROUND_AT = 0.8
"""Where in phase 1 noise and temperature are as in phase 4."""
PUSH = 0.3
"""First change of log λ; each further one is half as large."""
LARGEST_GAP = 0.5
"""Of the log size, while λ is led."""

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
        growth = settings.latent_rate_growth
        self._latent_rates = [settings.latent_rate * 2 ** (growth * grid.level) for grid in self.state.grids]
        self._latents = torch.optim.Adam(
            [{"params": [y], "lr": rate} for y, rate in zip(self.state.latents, self._latent_rates, strict=True)],
            betas=settings.latent_betas,
            fused=image.device.type == "cpu",
        )
        kernels = [value for value in self.state.params.values() if value.dim() == 4]
        others = [value for value in self.state.params.values() if value.dim() == 1]
        self._nets: list[torch.optim.Optimizer] = [
            Soap(kernels, lr=settings.rate, betas=settings.net_betas, precondition_every=10, follow_every=1),
            torch.optim.Adam(others, lr=settings.rate, betas=settings.net_betas),
        ]

    def run(self, progress: Progress = lambda step: None) -> Fitted:
        """Fit and return the file; `progress` is called with the number of steps done."""
        main = max(1, round(self.settings.steps * (1 - self.settings.end)))
        for step in self._descend(main):
            progress(step)
        for step in self._train_nets(self.settings.steps - main):
            progress(main + step)
        return self.finish()

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
        """Phase 4: return a file of the wanted size, or the nearest one met."""
        goal = self.goal
        best = file = file_of(self._whole())
        push = math.copysign(PUSH, goal.file_gap(file))
        for _ in range(min(MOST_ROUNDS, int(MOST_SHARE * self.settings.steps) // ROUND_STEPS)):
            if abs(goal.file_gap(best)) <= TOLERANCE:
                break
            goal.move(push)
            push /= 2
            before, earlier = goal.file_gap(file), [y.detach().clone() for y in self.state.latents]
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

    def _descend(self, steps: int) -> Iterator[int]:
        """Phase 1."""
        for step in range(steps):
            done = step / steps
            late = max(0.0, done - self.settings.hold) / (1 - self.settings.hold)
            self.descend_once(done, max(0.5 * (1 + math.cos(math.pi * late)), LOWEST_RATE), self)
            yield step + 1

    def descend_once(self, done: float, fall: float, nets: "Fit | None") -> float:
        """Take one step of phase 1 and return the loss.

        Parameters
        ----------
        done
            Share of the phase that is over.
        fall
            What learning rates are multiplied by.
        nets
            The fit whose optimizers hold the nets; None to leave them.
        """
        settings, goal, state = self.settings, self.goal, self.state
        for group, rate in zip(self._latents.param_groups, self._latent_rates, strict=True):
            group["lr"] = rate * fall
        temperature, noise = (first + (last - first) * done for first, last in (settings.temperature, settings.noise))
        flat = torch.cat(state.latents)
        at = int(torch.randint(len(self.bank) - len(flat), (), generator=self.generator))
        error, bits = state.cost(soft_round(flat, self.bank[at : at + len(flat)] * noise, temperature))
        if nets is not None and done >= settings.lead_from:
            gap = min(max(goal.gap(bits.item()), -LARGEST_GAP), LARGEST_GAP)
            goal.move(settings.lead / settings.steps * gap)
        self._clear()
        loss = error + goal.lmbda * bits / state.num_pixels
        loss.backward()  # type: ignore[no-untyped-call]
        if nets is not None:
            nets.set_net_rates(fall)
            nets.step_nets()
        self._latents.step()
        return loss.item()

    def _train_nets(self, steps: int) -> Iterator[int]:
        """Phase 2."""
        state = self.state
        rounded = state.rounded()
        best: tuple[float, list[Tensor]] | None = None
        for step in range(steps):
            self.set_net_rates(max(END_RATE * 0.5 * (1 + math.cos(math.pi * step / steps)), LOWEST_RATE))
            error, bits = state.cost(rounded)
            loss = error + self.goal.lmbda * bits / state.num_pixels
            if best is None or loss.item() < best[0]:
                best = loss.item(), [value.detach().clone() for value in state.params.values()]
            self._clear()
            loss.backward()  # type: ignore[no-untyped-call]
            self.step_nets()
            yield step + 1
        if best is not None:
            with torch.no_grad():
                for value, kept in zip(state.params.values(), best[1], strict=True):
                    value.copy_(kept)

    def set_net_rates(self, share: float) -> None:
        """Set the nets' learning rates to a share of the settings'."""
        for optimizer in self._nets:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.rate * share

    def _clear(self) -> None:
        for value in (*self.state.latents, *self.state.params.values()):
            value.grad = None

    def step_nets(self) -> None:
        """Move the nets by their gradients."""
        torch.nn.utils.clip_grad_norm_(list(self.state.params.values()), self.settings.clip)
        for optimizer in self._nets:
            optimizer.step()


def image_tensor(image: Image, device: torch.device) -> Tensor:
    """Return `image` (H, W, 3) as (3, H, W), float32, 0..1."""
    return torch.from_numpy(np.array(image, order="C")).to(device).permute(2, 0, 1).float() / 255
