"""Validation: the rate and the distortion of truly rounded latents on held-out photographs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isorate.codecs.learned.model.autoencoder import STRIDE, ConditionalAutoencoder
from isorate.codecs.learned.model.quantization import QuantizationMode
from isorate.codecs.learned.training.data import Pack
from isorate.metrics import ms_ssim, psnr

HIGHEST_PSNR = 100.0
"""dB that an image without any error counts for in the mean."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One λ on the validation set.

    Attributes
    ----------
    log10_lmbda
        log10 λ; Δ is 1.
    bpp
        Mean estimated bits per pixel.
    psnr
        Mean over images of the PSNR in dB, RGB, pixels rounded to 8 bits.
    ms_ssim
        Mean over images of the MS-SSIM of the same pixels; NaN where all are too small for it.
    """

    log10_lmbda: float
    bpp: float
    psnr: float
    ms_ssim: float


def pad_to_stride(x: Tensor) -> Tensor:
    """Return `x` (N, 3, H, W) extended on the right and below by its own edge to multiples of the stride."""
    height, width = x.shape[-2:]
    return functional.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")


@torch.no_grad()
def validate(
    model: ConditionalAutoencoder,
    pack: Pack,
    log10_lmbdas: Sequence[float],
    count: int = 0,
    mode: QuantizationMode = "round",
) -> list[OperatingPoint]:
    """Return an operating point for each λ, over the first `count` photographs (0: all), quantized in `mode`."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    points = []
    for log10_lmbda in log10_lmbdas:
        lmbda = torch.full((1,), 10.0**log10_lmbda, device=device)
        rates, psnrs, similarities = [], [], []
        for index in range(min(count or len(pack), len(pack))):
            image = np.array(pack.image(index))
            x = torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float() / 255
            coded = model(pad_to_stride(x), lmbda, torch.ones_like(lmbda), mode)
            levels = (coded.picture.float()[0, :, : x.shape[-2], : x.shape[-1]].clamp(0, 1) * 255).round()
            picture = levels.permute(1, 2, 0).byte().cpu().numpy()
            rates.append(float(coded.bits) / (x.shape[-2] * x.shape[-1]))
            psnrs.append(min(psnr(image, picture), HIGHEST_PSNR))
            similarities.append(ms_ssim(image, picture))
        defined = [value for value in similarities if value is not None]
        similarity = float(np.mean(defined)) if defined else math.nan
        points.append(OperatingPoint(log10_lmbda, float(np.mean(rates)), float(np.mean(psnrs)), similarity))
    model.train(was_training)
    return points
