"""Soft rounding with noise (Agustsson & Theis 2020; as used in C3): rounding that gradients pass through.

y ↦ s(s(y) + u): s is the soft rounding of temperature T, u Gaussian noise.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def soft_round(y: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Return s(s(y) + noise); flat tensors."""
    found: Tensor = _SoftRound.apply(y, noise, temperature)  # type: ignore[no-untyped-call]
    return found


class _SoftRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, noise: Tensor, temperature: float) -> Tensor:
        first, slope = _soft_round(y, temperature)
        second, outer = _soft_round(first.add_(noise), temperature)
        ctx.save_for_backward(slope.mul_(outer))
        return second

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        return grad * ctx.saved_tensors[0], None, None


def _soft_round(y: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return s(y) = floor(y) + tanh((y - floor(y) - ½) / T) / (2 tanh(1 / 2T)) + ½ and its slope."""
    floor = torch.floor(y)
    t = (y - floor).sub_(0.5).mul_(1 / temperature).tanh_()
    size = 1 / (2 * math.tanh(1 / (2 * temperature)))
    slope = (t * t).mul_(-size / temperature).add_(size / temperature)
    return t.mul_(size).add_(0.5).add_(floor), slope
