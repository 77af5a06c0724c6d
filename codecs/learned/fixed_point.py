"""The number formats of the priors, and their imitation in training.

What the encoder and the decoder must agree on is computed in integers when coding. The float priors keep to what
those integers can hold: an activation is a multiple of 2^-8 in [-128, 128) (16 bits), a weight a multiple of 2^-12 in
[-8, 8) (16 bits), and between layers there is only ReLU. In ordinary training only the range of the activations is
enforced; with `fake_quantize` the grids are, too, with a straight-through gradient.
"""

import torch
from torch import Tensor

ACTIVATION_BITS = 8
"""Fractional bits of an activation."""
WEIGHT_BITS = 12
"""Fractional bits of a weight."""
ACTIVATION_LIMIT = 128.0
OUTPUT_LIMIT = 2048.0
"""Range of the last layers, whose outputs are parameters and enter no further product (20 bits)."""
WEIGHT_LIMIT = 8.0


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
    """Return `weight` as the integer priors will hold it if `fake_quantize`, else unchanged."""
    return to_grid(weight, WEIGHT_BITS, WEIGHT_LIMIT) if fake_quantize else weight
