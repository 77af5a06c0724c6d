"""Quantization with bin size Δ: rounding at test time, and its stand-ins in training.

Test time is rounding to multiples of Δ, of z by rate-distortion optimized quantization (RDOQ): an element goes to the
nearest whole number, or to the next one towards its mean. In symbols' units the choice minimises
bits(z) + :data:`RDOQ_WEIGHT` · (y - z)², step by step in coding order, where the parameters of an element are known
from the steps before it. It is the encoder's business alone: the format does not know of it. (Sullivan & Wiegand 1998
and HEVC's encoders choose levels in this way.)

In training a :class:`Quantizer` returns two versions of a latent: the one that the decoder and the contexts read, and
the one whose rate is charged.
"""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from isorate.codecs.learned.model.density import bits
from isorate.errors import UsageError

RDOQ_WEIGHT = 30.0
"""Bits that a squared error of one bin is worth. Measured on validation photographs, see docs/training.md.

Theory gives 6 / ln 2 = 8.7 where Δ is what λ asks for. The best weight is larger, since a trained analysis has already
moved its latents towards cheap values; at another Δ, which stands for another λ, it is the same.
"""

QuantizationMode: TypeAlias = Literal["round", "rdoq", "mixed", "universal"]
"""`round`: rounding to the nearest with a straight-through gradient.

`rdoq`: the same for w; z is rounded as the encoder rounds it (:func:`nearest_or_cheaper`).

`mixed`: straight-through rounding for the decoder and contexts, independent additive uniform noise for the rate.

`universal`: Choi et al. 2019, one scalar dither u ~ U[-Δ/2, Δ/2] an image, z = round_Δ(y + u) - u, straight through.
"""


def round_to_bins(y: Tensor, bin_size: Tensor) -> Tensor:
    """Return `y` (N, ...) rounded to multiples of each image's `bin_size` (N,), without a gradient of its own."""
    step = bin_size.view(-1, *[1] * (y.dim() - 1))
    return torch.round(y.detach() / step) * step


def straight_through(y: Tensor, value: Tensor) -> Tensor:
    """Return `value` with the gradient of `y`."""
    return y + (value - y).detach()


def nearest_or_cheaper(y: Tensor, mean: Tensor, log2_scale: Tensor) -> Tensor:
    """Return `y` rounded by rate-distortion cost (RDOQ), in units of Δ; without a gradient.

    Parameters
    ----------
    y, mean
        Elements and their means, in units of Δ.
    log2_scale
        log2(σ/Δ).
    """
    y, mean, log2_scale = y.detach().float(), mean.detach().float(), log2_scale.detach().float()
    nearest = torch.round(y)
    other = nearest + torch.sign(mean - nearest) * ((mean - nearest).abs() > 0.5)
    saved = bits(nearest, mean, log2_scale) - bits(other, mean, log2_scale)
    return torch.where(saved > RDOQ_WEIGHT * ((y - other).square() - (y - nearest).square()), other, nearest)


class Quantizer:
    """Quantizes the latents of one batch.

    Parameters
    ----------
    bin_size
        Δ of each image, (N,), float32.
    mode
        See :data:`QuantizationMode`.
    generator
        The source of dither and noise; the default generator if None.
    """

    def __init__(self, bin_size: Tensor, mode: QuantizationMode, generator: torch.Generator | None = None) -> None:
        if mode not in get_args(QuantizationMode):
            raise UsageError(f"unknown quantization {mode!r}; known are {', '.join(get_args(QuantizationMode))}")
        self.bin_size = bin_size
        self.mode = mode
        self.generator = generator
        self._dither = self._uniform(bin_size.shape) * bin_size if mode == "universal" else None

    def _uniform(self, shape: torch.Size) -> Tensor:
        return torch.rand(shape, generator=self.generator, device=self.bin_size.device) - 0.5

    def __call__(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the quantized `y` (N, C, height, width) for the decoder, and for the rate."""
        step = self.bin_size.view(-1, 1, 1, 1)
        if self._dither is not None:
            dither = self._dither.view(-1, 1, 1, 1)
            value = straight_through(y, round_to_bins(y + dither, self.bin_size) - dither)
            return value, value
        value = straight_through(y, round_to_bins(y, self.bin_size))
        if self.mode in ("round", "rdoq"):
            return value, value
        return value, y + self._uniform(y.shape) * step
