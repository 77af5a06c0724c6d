"""A conditional convolution in integers: the same result on any machine, in any order of summation.

Every number is a whole one held in float64, and no sum can reach 2^53, so that floating point never rounds. An
activation is a multiple of 2^-8; a weight is a 16-bit integer with its channel's own binary point; s(λ) is a multiple
of 2^-16; the bias one of 2^-30. The convolution itself is an unfold and one matrix product.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from isorate.codecs.learned.bitstream.conv_weights import U_BITS, IntegerConvWeights
from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.tables import (
    SOFTPLUS_END,
    SOFTPLUS_INPUT_BITS,
    SOFTPLUS_OUTPUT_BITS,
)
from isorate.codecs.learned.model.fixed_point import ACTIVATION_BITS

KNOB_BITS = 10
"""h(λ) is in units of 2^-10."""
PRODUCT_BITS = 14
"""Fractional bits of a sum of products once its channel's binary point is removed."""
PRODUCT_LIMIT = 2.0**32
SCALE_LIMIT = 2**20 - 1
BIAS_LIMIT = 2**45
EXACT = 2**53


class IntegerConv:
    """One convolution of the priors.

    Parameters
    ----------
    stored
        The integers.
    softplus
        The table of :func:`~isorate.codecs.learned.bitstream.tables.softplus`.
    output_limit, input_limit
        Bounds of the outputs' and the inputs' magnitude, in units of 2^-8.
    device
        Where the products are computed.

    Raises
    ------
    ValueError
        When a sum could reach 2^53.
    """

    def __init__(
        self,
        stored: IntegerConvWeights,
        softplus: NDArray[np.int32],
        output_limit: int,
        input_limit: int,
        device: torch.device,
    ) -> None:
        out, _, kernel, _ = stored.weight.shape
        rows = stored.weight.astype(np.int64).reshape(out, -1)
        if int(np.abs(rows).sum(1).max()) * input_limit >= EXACT:
            raise ValueError("a sum of products could reach 2^53")
        self.kernel = kernel
        self.limit = output_limit
        self._stored, self._softplus = stored, softplus
        self._rows = torch.from_numpy(rows).to(device, torch.float64)
        shift = ACTIVATION_BITS + stored.point.astype(np.int64) - PRODUCT_BITS
        self._shift = torch.from_numpy(np.ldexp(1.0, -shift)).to(device)[:, None]

    def at(self, codes: KnobCodes) -> "ConditionedConv":
        """Return the convolution under the knobs `codes`."""
        scale, bias = self.scale(codes), self.bias(codes)
        device = self._rows.device
        return ConditionedConv(
            self._rows,
            self._shift,
            torch.from_numpy(scale).to(device, torch.float64)[:, None],
            torch.from_numpy(bias).to(device, torch.float64)[:, None],
            self.kernel,
            self.limit,
        )

    def scale(self, codes: KnobCodes) -> NDArray[np.int64]:
        """Return s(λ) in units of 2^-16: (out,)."""
        t = self._stored.u.astype(np.int64) @ codes.hat(self._stored.u.shape[1])
        return np.minimum(_softplus(t, self._softplus), SCALE_LIMIT)

    def bias(self, codes: KnobCodes) -> NDArray[np.int64]:
        """Return b(λ) + d·log2 Δ in units of 2^-30: (out,)."""
        b = self._stored.v.astype(np.int64) @ codes.hat(self._stored.v.shape[1])
        b += self._stored.d.astype(np.int64) * codes.log2_bin
        return b.clip(-BIAS_LIMIT, BIAS_LIMIT)


@dataclass(frozen=True, slots=True)
class ConditionedConv:
    """An :class:`IntegerConv` whose s and b are set; call it on whole numbers in float64.

    Attributes
    ----------
    rows
        The weights, (out, in · kernel²).
    shift, scale, bias
        (out, 1).
    kernel
        Side of the window.
    limit
        Outputs are clamped to [-limit, limit - 1].
    """

    rows: Tensor
    shift: Tensor
    scale: Tensor
    bias: Tensor
    kernel: int
    limit: int

    def __call__(self, x: Tensor) -> Tensor:
        """Map `x` (in, height, width) to (out, height, width), zero outside the frame."""
        height, width = x.shape[1:]
        columns = functional.unfold(x[None], self.kernel, padding=self.kernel // 2)[0]
        return self.requantize(self.rows @ columns).reshape(-1, height, width)

    def requantize(self, sums: Tensor) -> Tensor:
        """Map sums of products (out, n) to outputs in units of 2^-8; `sums` is overwritten."""
        product = sums.mul_(self.shift).add_(0.5).floor_().clamp_(-PRODUCT_LIMIT, PRODUCT_LIMIT)
        y = product.mul_(self.scale).add_(self.bias)
        y = y.mul_(2.0 ** -(PRODUCT_BITS + SOFTPLUS_OUTPUT_BITS - ACTIVATION_BITS)).add_(0.5).floor_()
        return y.clamp_(-self.limit, self.limit - 1)


def _softplus(t: NDArray[np.int64], table: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return softplus of `t` (in units of 2^-22) in units of 2^-16, linear between the table's entries."""
    fine = U_BITS + KNOB_BITS - SOFTPLUS_INPUT_BITS
    shifted = t + (SOFTPLUS_END << (U_BITS + KNOB_BITS))
    inside = shifted.clip(0, (2 * SOFTPLUS_END << (U_BITS + KNOB_BITS)) - 1)
    place, rest = inside >> fine, inside & ((1 << fine) - 1)
    left, right = table[place].astype(np.int64), table[place + 1].astype(np.int64)
    value = left + (((right - left) * rest + (1 << (fine - 1))) >> fine)
    return np.where(shifted > inside, t >> (U_BITS + KNOB_BITS - SOFTPLUS_OUTPUT_BITS), value)
