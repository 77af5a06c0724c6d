"""Conditional convolution: every convolution scales and shifts its output channels as λ demands.

Choi et al. 2019, eq. (8): Y_j = s_j(λ) · Σ_i X_i * W_ij + b_j(λ) with s_j = softplus(u_jᵀ h(λ)), b_j = v_jᵀ h(λ).
The paper's h is one-hot over five λ. Here it is the hat function over knots in log10 λ: one-hot at a knot, linear
between two, so the paper's model is the special case at the knots and λ is continuous.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional


def hat(lmbda: Tensor, knots: Sequence[float]) -> Tensor:
    """Return h(λ): the hat functions over `knots`, a partition of unity.

    Parameters
    ----------
    lmbda
        λ > 0 for each image, shape (N,), float32. Beyond the outer knots the outer knot's value holds.
    knots
        log10 λ at the knots, descending, K of them.

    Returns
    -------
    Tensor
        Shape (N, K), float32, rows sum to one, at most two neighbouring entries are positive.
    """
    places, highest, lowest = _places(tuple(knots), lmbda.device)
    position = torch.log10(lmbda.float()).clamp(lowest, highest)
    gaps = places[:-1] - places[1:]
    right = ((places[:-1] - position[:, None]) / gaps).clamp(0, 1)
    one = torch.ones_like(right[:, :1])
    return torch.cat([one, right], dim=1) - torch.cat([right, torch.zeros_like(one)], dim=1)


@lru_cache(maxsize=64)
def _places(knots: tuple[float, ...], device: torch.device) -> tuple[Tensor, float, float]:
    """Return `knots` on `device` and the outer ones as float32 holds them, made once: a GPU waits for each copy."""
    with torch.inference_mode(False):
        places = torch.tensor(knots, dtype=torch.float32)
        return places.to(device), float(places[0]), float(places[-1])


def inverse_softplus(value: Tensor) -> Tensor:
    """Return t with softplus(t) = value > 0."""
    return value + torch.log(-torch.expm1(-value))


class ConditionalConv2d(nn.Module):
    """A convolution whose output is scaled and shifted by λ (Choi et al. 2019, eq. 8; odd kernel, zero padding).

    Attributes
    ----------
    full_precision
        Whether it stays in fp32 under autocast: for latents and parameters of priors, too fine for bfloat16's 8 bits.
    weight
        (out, in / groups, kernel, kernel).
    u, v
        (out, K): the scale before softplus and the bias at each knot.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        knots: int,
        groups: int = 1,
        *,
        full_precision: bool = False,
    ) -> None:
        super().__init__()
        self.full_precision = full_precision
        self.kernel = kernel
        self.groups = groups
        fan_in = in_channels // groups * kernel * kernel
        weight = torch.empty(out_channels, in_channels // groups, kernel, kernel)
        # The meta device has no numbers; to draw them there PyTorch would load its kernels in Python, for seconds.
        self.weight = nn.Parameter(weight if weight.is_meta else weight.normal_() / math.sqrt(fan_in))
        self.u = nn.Parameter(torch.full((out_channels, knots), math.log(math.e - 1)))
        self.v = nn.Parameter(torch.zeros(out_channels, knots))

    def scale(self, h: Tensor) -> Tensor:
        """Return s(λ), shape (N, out)."""
        return functional.softplus(h @ self.u.t())

    def bias(self, h: Tensor) -> Tensor:
        """Return b(λ), shape (N, out)."""
        return h @ self.v.t()

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution alone, shape (N, out, height, width)."""
        return functional.conv2d(x, self.weight, padding=self.kernel // 2, groups=self.groups)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Convolve `x` (N, in, height, width) under h(λ) (N, K)."""
        if self.full_precision:
            with torch.autocast(x.device.type, enabled=False):
                return self._conditioned(x.float(), h)
        return self._conditioned(x, h)

    def _conditioned(self, x: Tensor, h: Tensor) -> Tensor:
        y = self.convolve(x)
        scale = self.scale(h).to(y.dtype)[:, :, None, None]
        bias = self.bias(h).to(y.dtype)[:, :, None, None]
        return torch.addcmul(bias, y, scale)

    @torch.no_grad()
    def set_scale(self, values: Tensor) -> None:
        """Set s at the knots: `values` is (out, K) or (K,), positive."""
        self.u.copy_(inverse_softplus(values.to(self.u)).expand_as(self.u))
