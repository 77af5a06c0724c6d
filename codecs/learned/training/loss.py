"""The objective: D(λ, Δ) + λ R(λ, Δ), one (λ, Δ) drawn for each image of a batch."""

import torch
from torch import Tensor

from isorate.codecs.distortion import distortion
from isorate.codecs.learned.model.autoencoder import Coded
from isorate.codecs.learned.training.settings import TrainSettings

MIDDLE_LMBDA = 10.0**-2.5


def draw_conditions(count: int, settings: TrainSettings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return λ and Δ for `count` images, each (count,), on the generator's device."""
    device = generator.device
    share, place, octave = torch.rand(3, count, generator=generator, device=device)
    wide = settings.lowest_lmbda + place * (settings.highest_lmbda - settings.lowest_lmbda)
    focus = settings.focus_low + place * (settings.focus_high - settings.focus_low)
    lmbda = 10.0 ** torch.where(share < settings.focus_share, focus, wide)
    return lmbda, 2.0 ** ((2 * octave - 1) * settings.bin_octaves)


def bits_per_pixel(coded: Coded, x: Tensor) -> Tensor:
    """Return R of each image: (N,), float32."""
    return coded.bits / (x.shape[-1] * x.shape[-2])


def objective(coded: Coded, x: Tensor, lmbda: Tensor, settings: TrainSettings) -> Tensor:
    """Return the batch's loss: the mean of (D + λR) / λ, weighted by a power of λ."""
    cost = distortion(coded.picture, x, settings.ms_ssim_share) / lmbda + bits_per_pixel(coded, x)
    return (cost * (lmbda / MIDDLE_LMBDA) ** settings.rate_weight_power).mean()
