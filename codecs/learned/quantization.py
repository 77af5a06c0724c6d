"""Quantization with bin size Δ: rounding at test time, and its stand-ins in training.

Test time is rounding to multiples of Δ, of z by rate-distortion cost (:mod:`isorate.codecs.learned.rate_aware`). In
training a :class:`Quantizer` returns two versions of a latent: the
one that the decoder and the contexts read, and the one whose rate is charged.
"""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from isorate.errors import UsageError

QuantizationMode: TypeAlias = Literal["round", "rate-aware", "mixed", "universal"]
"""`round`: rounding to the nearest with a straight-through gradient.

`rate-aware`: the same for w; z is rounded as the encoder rounds it (:mod:`isorate.codecs.learned.rate_aware`).

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
        if self.mode in ("round", "rate-aware"):
            return value, value
        return value, y + self._uniform(y.shape) * step
