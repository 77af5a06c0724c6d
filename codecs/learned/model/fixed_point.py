"""The number formats of the priors, and their imitation in training.

What the encoder and the decoder must agree on is computed in integers when coding. The float priors keep to what
those integers can hold: an activation is a multiple of 2^-8 in [-128, 128) (16 bits), a weight has 16 bits, its binary
point chosen for each output channel, and between layers there is only ReLU. In ordinary training only the range of the
activations is enforced; with `fake_quantize` the grids are, too, with a straight-through gradient.
"""

import torch
from torch import Tensor

ACTIVATION_BITS = 8
"""Fractional bits of an activation."""
LARGEST_WEIGHT = 2**15 - 1
"""The largest integer that stands for a weight."""
ACTIVATION_LIMIT = 128.0
"""Range of an activation, which enters the next layer's product (16 bits)."""
OUTPUT_LIMIT = 2048.0
"""Range of the last layers, whose outputs are parameters and enter no further product (20 bits)."""


def to_grid(x: Tensor, fraction_bits: int, limit: float) -> Tensor:
    """Return `x` on the grid of 2^-fraction_bits, clamped to [-limit, limit), with a straight-through gradient."""
    step = 2.0**-fraction_bits
    inside = x.clamp(-limit, limit - step)
    return inside + (torch.floor(inside.detach() / step + 0.5) * step - inside.detach())


def limit_activation(x: Tensor, limit: float, fake_quantize: bool) -> Tensor:
    """Return `x` clamped to [-limit, limit), and on the grid of an activation if `fake_quantize`."""
    if fake_quantize:
        return to_grid(x, ACTIVATION_BITS, limit)
    return x.clamp(-limit, limit - 2.0**-ACTIVATION_BITS)


def limit_weight(weight: Tensor, fake_quantize: bool) -> Tensor:
    """Return `weight` (out, ...) as the integer priors will hold it if `fake_quantize`, else unchanged.

    The straight-through gradient reaches every weight: none is out of its channel's range.
    """
    if not fake_quantize:
        return weight
    held = weight.detach()
    largest = held.abs().flatten(1).amax(1).clamp_min(1e-30)
    step = torch.exp2(-torch.floor(torch.log2((LARGEST_WEIGHT + 0.5) / largest))).view(-1, 1, 1, 1)
    return weight + (torch.round(held / step) * step - held)
