"""Soft rounding with noise (Agustsson & Theis 2020; as used in C3): rounding that gradients pass through.

y ↦ s(s(y) + u): s is the soft rounding of temperature T, u Gaussian noise.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isorate.codecs.overfitted.kernels.rounding import soft_round as kernel
from isorate.codecs.overfitted.kernels.workers import spread


def soft_round(y: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Return s(s(y) + noise); flat tensors."""
    found: Tensor = _SoftRound.apply(y, noise, temperature)  # type: ignore[no-untyped-call]
    return found


class _SoftRound(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, noise: Tensor, temperature: float) -> Tensor:
        found, slope = (_on_cpu if y.device.type == "cpu" else twice)(y, noise, temperature)
        ctx.save_for_backward(slope)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        return grad * ctx.saved_tensors[0], None, None


def _on_cpu(y: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    found, slope = torch.empty_like(y), torch.empty_like(y)
    a, b, c, d = y.detach().numpy(), noise.numpy(), found.numpy(), slope.numpy()
    inverse, size = np.float32(1 / temperature), np.float32(1 / (2 * math.tanh(1 / (2 * temperature))))
    spread(lambda i, j: kernel(a[i:j], b[i:j], c[i:j], d[i:j], inverse, size), y.numel())
    return found, slope


def twice(y: Tensor, noise: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return s(s(y) + noise) and its slope, by PyTorch."""
    first, slope = _soft_round(y, temperature)
    second, outer = _soft_round(first.add_(noise), temperature)
    return second, slope.mul_(outer)


def _soft_round(y: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return s(y) = floor(y) + tanh((y - floor(y) - ½) / T) / (2 tanh(1 / 2T)) + ½ and its slope."""
    floor = torch.floor(y)
    t = (y - floor).sub_(0.5).mul_(1 / temperature).tanh_()
    size = 1 / (2 * math.tanh(1 / (2 * temperature)))
    slope = (t * t).mul_(-size / temperature).add_(size / temperature)
    return t.mul_(size).add_(0.5).add_(floor), slope
