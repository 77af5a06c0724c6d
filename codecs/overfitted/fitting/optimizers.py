"""What moves latents and nets: Adam for latents and the nets' vectors, SOAP for their matrices and kernels."""

import torch

from isorate.codecs.learned.training.soap import Soap
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.codecs.overfitted.fitting.state import State

LATENT_EPS = 1e-4
"""Adam's eps for latents, times the number of pixels: a latent's gradient is of the order of λ over that number."""


class Optimizers:
    """The optimizers of one state, with nothing remembered.

    Parameters
    ----------
    state
        Whose latents and nets they move.
    settings
        Rates, betas of the nets, largest gradient.
    latent_betas
        Adam's for the latents.
    """

    def __init__(self, state: State, settings: Settings, latent_betas: tuple[float, float]) -> None:
        self._settings, self._state = settings, state
        growth = settings.latent_rate_growth
        self._latent_rates = [settings.latent_rate * 2 ** (growth * grid.level) for grid in state.grids]
        self._latents = torch.optim.Adam(
            [{"params": [y], "lr": rate} for y, rate in zip(state.latents, self._latent_rates, strict=True)],
            betas=latent_betas,
            eps=LATENT_EPS / state.num_pixels,
            fused=state.image.device.type == "cpu",
        )
        kernels = [value for value in state.params.values() if value.dim() == 4]
        others = [value for value in state.params.values() if value.dim() == 1]
        self._nets: list[torch.optim.Optimizer] = [
            Soap(kernels, lr=settings.rate, betas=settings.net_betas, precondition_every=10, follow_every=1),
            torch.optim.Adam(others, lr=settings.rate, betas=settings.net_betas),
        ]

    def step_latents(self, share: float) -> None:
        """Move the latents by their gradients, at a share of the rates."""
        for group, rate in zip(self._latents.param_groups, self._latent_rates, strict=True):
            group["lr"] = rate * share
        self._latents.step()

    def step_nets(self, share: float) -> None:
        """Move the nets by their gradients, at a share of their rate."""
        torch.nn.utils.clip_grad_norm_(list(self._state.params.values()), self._settings.clip)
        for optimizer in self._nets:
            for group in optimizer.param_groups:
                group["lr"] = self._settings.rate * share
            optimizer.step()
