"""What integer priors cost.

The BD-rate of the exported codec (integer priors, float16 kernels, probability tables) against the float model of the
checkpoint with ideal Gaussian codes, on validation photographs. The payload alone is compared; the header's 20 bytes
are no matter of the priors.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import bjontegaard
import numpy as np
import torch
from tqdm import tqdm

from isorate.codecs.learned.bitstream.header import unpack
from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.latents import run_priors
from isorate.codecs.learned.bitstream.symbols import ESCAPE_BITS
from isorate.codecs.learned.bitstream.tables import PRECISION
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder
from isorate.codecs.learned.model import density
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.quantization import round_to_bins
from isorate.codecs.learned.tools.export import model_from_checkpoint, weights_of
from isorate.codecs.learned.training.data import Pack
from isorate.codecs.learned.training.validation import pad_to_stride
from isorate.image import Image

LOG10_LMBDAS = (-1.5, -1.75, -2.0, -2.25, -2.5, -3.0, -3.5)
DEAREST = PRECISION + ESCAPE_BITS
"""Bits of the dearest symbol; the ideal code is given the same escape."""


@dataclass(frozen=True, slots=True)
class RatePoint:
    """Mean bits per pixel and mean PSNR over the photographs at one λ."""

    bpp: float
    psnr: float


def float_point(model: ConditionalAutoencoder, image: Image, lmbda: float) -> RatePoint:
    """Return the rate of float priors with ideal codes and the PSNR of the float decoder."""
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    padded, knob, step = pad_to_stride(x), torch.tensor([lmbda]), torch.ones(1)
    z = round_to_bins(model.analysis(padded, knob), step)
    w = round_to_bins(model.hyper_analysis(z, padded, knob), step)
    condition = model.condition(knob, step)
    features = model.hyper_synthesis(w, knob, step)
    bits = 0.0
    for latent, found in ((w, model.hyper_prior(w, condition)), (z, model.latent_prior(z, features, condition))):
        bits += float(density.bits(latent, found.mean, found.log2_scale).clamp(max=DEAREST).sum())
    picture = model.synthesis(z, features, knob)[..., : x.shape[2], : x.shape[3]].clamp(0, 1)
    return RatePoint(bits / (image.shape[0] * image.shape[1]), _psnr((picture * 255).round() / 255 - x))


def integer_point(network: Network, image: Image, lmbda: float) -> RatePoint:
    """Return the rate of the real payload and the PSNR of the decoded picture."""
    codes = KnobCodes.nearest(lmbda, 1.0, network.config.knots)
    encoder = PictureEncoder(network, image)
    coded = encoder.code_latents(encoder.rounded(codes), codes)
    _, features = run_priors(coded.latents, network.conditioned(codes))
    picture = network.synthesis(coded.latents.z, features, codes, *image.shape[:2])
    difference = torch.from_numpy(picture.astype(np.float32) - image) / 255
    return RatePoint(8 * len(unpack(coded.data)[1]) / (image.shape[0] * image.shape[1]), _psnr(difference))


def integer_cost(
    model: ConditionalAutoencoder, images: Sequence[Image]
) -> tuple[float, list[tuple[RatePoint, RatePoint]]]:
    """Return the BD-rate of integer against float priors in percent, and both curves point by point."""
    network = Network(weights_of(model, {}, {}))
    curve = []
    with torch.inference_mode():
        for log10_lmbda in tqdm(LOG10_LMBDAS, desc="λ", disable=None):
            lmbda = 10.0**log10_lmbda
            pairs = [(float_point(model, image, lmbda), integer_point(network, image, lmbda)) for image in images]
            curve.append((_mean([one for one, _ in pairs]), _mean([other for _, other in pairs])))
    (float_bpp, float_psnr), (bpp, psnr) = (
        ([p[side].bpp for p in curve], [p[side].psnr for p in curve]) for side in (0, 1)
    )
    return float(bjontegaard.bd_rate(float_bpp, float_psnr, bpp, psnr, method="akima")), curve


def cost_of_checkpoint(
    checkpoint: Path, validation: Path, photographs: int
) -> tuple[float, list[tuple[RatePoint, RatePoint]], int]:
    """Return :func:`integer_cost` of a checkpoint on the first photographs of a pack, and how many there were."""
    torch.set_num_threads(1)
    model, _ = model_from_checkpoint(checkpoint)
    pack = Pack(validation)
    count = min(photographs, len(pack))
    return *integer_cost(model, [np.array(pack.image(index)) for index in range(count)]), count


def _psnr(difference: torch.Tensor) -> float:
    return -10 * math.log10(max(float(difference.square().mean()), 1e-10))


def _mean(points: Sequence[RatePoint]) -> RatePoint:
    return RatePoint(float(np.mean([p.bpp for p in points])), float(np.mean([p.psnr for p in points])))
