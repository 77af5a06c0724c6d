"""The autoregressive priors of Table 1, built only from operations that integers can repeat exactly.

Allowed here: convolutions, ReLU, clamping, depth-to-space, concatenation, and per-channel scales and biases that are
functions of (λ, Δ). Weights and activations keep to :mod:`~isorate.codecs.learned.model.fixed_point`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from isorate.codecs.learned.model.conditioning import ConditionalConv2d
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.fixed_point import ACTIVATION_LIMIT, OUTPUT_LIMIT, limit_activation, limit_weight
from isorate.codecs.learned.model.partition import STEPS, join_steps, split_steps
from isorate.codecs.learned.model.quantization import nearest_or_cheaper

Condition = tuple[Tensor, Tensor]
"""h(λ), shape (N, K), and log2 Δ, shape (N,)."""


class PriorParameters(NamedTuple):
    """Parameters of the Gaussian of each element, in the latent's own unit.

    Attributes
    ----------
    mean
        μ; the symbols' unit is reached by μ/Δ.
    log2_scale
        log2 σ; the index into the scale table is a function of log2 σ - log2 Δ.
    """

    mean: Tensor
    log2_scale: Tensor


class PriorConv2d(ConditionalConv2d):
    """A conditional convolution whose bias also follows log2 Δ, and whose output has a bounded range.

    Y_j = clamp(s_j(λ) · Σ_i X_i * W_ij + b_j(λ) + d_j · log2 Δ).

    Attributes
    ----------
    d
        (out,): the bias for each octave of Δ.
    limit
        The outputs' range: :data:`~isorate.codecs.learned.model.fixed_point.ACTIVATION_LIMIT` inside a net,
        :data:`~isorate.codecs.learned.model.fixed_point.OUTPUT_LIMIT` at its end.
    fake_quantize
        Whether weights and outputs are put on the integers' grids, for fine-tuning.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, knots: int, limit: float = ACTIVATION_LIMIT
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, knots, full_precision=limit == OUTPUT_LIMIT)
        self.limit = limit
        self.d = nn.Parameter(torch.zeros(out_channels))
        self.fake_quantize = False

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution alone, with the weights as the integers hold them."""
        return functional.conv2d(x, limit_weight(self.weight, self.fake_quantize), padding=self.kernel // 2)

    def forward(self, x: Tensor, condition: Condition) -> Tensor:  # type: ignore[override]
        """Convolve `x` (N, in, height, width) under (h(λ), log2 Δ)."""
        h, log2_bin = condition
        y = super().forward(x, h) + (log2_bin[:, None] * self.d).to(x.dtype)[:, :, None, None]
        return limit_activation(y, self.limit, self.fake_quantize)


class StepNet(nn.Module):
    """The parameters of one step's elements from what is already known: 3×3 – ReLU – 1×1 – ReLU – 1×1."""

    def __init__(self, known: int, width: int, coded: int, knots: int) -> None:
        super().__init__()
        self.enter = PriorConv2d(known, width, 3, knots)
        self.middle = PriorConv2d(width, width, 1, knots)
        self.leave = PriorConv2d(width, 2 * coded, 1, knots, OUTPUT_LIMIT)
        nn.init.zeros_(self.leave.weight)

    def forward(self, known: Tensor, condition: Condition) -> PriorParameters:
        """Map `known` (N, known, height, width) to the parameters of (N, coded, height, width)."""
        hidden = functional.relu(self.middle(functional.relu(self.enter(known, condition)), condition))
        mean, log2_scale = self.leave(hidden, condition).chunk(2, dim=1)
        return PriorParameters(mean, log2_scale)


class HyperPrior(nn.Module):
    """Table 1, Π q(w_i given w_<i, λ, Δ): w in four channel groups, each given the groups before it.

    The first group has only λ and Δ; the net of a later group sees the earlier ones through a 3×3 window.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        knots, group = len(config.knots), config.hyper_channels // STEPS
        self.group = group
        self.first_mean = PriorConv2d(1, group, 1, knots, OUTPUT_LIMIT)
        self.first_octaves = PriorConv2d(1, group, 1, knots, OUTPUT_LIMIT)
        self.nets = nn.ModuleList(StepNet(k * group, config.prior_channels, group, knots) for k in range(1, STEPS))

    def step(self, index: int, known: Sequence[Tensor], like: Tensor, condition: Condition) -> PriorParameters:
        """Return the parameters of group `index`, given the groups before it.

        Parameters
        ----------
        index
            0..3.
        known
            The `index` earlier groups of the quantized w, each (N, C/4, h, w).
        like
            Any tensor (N, ?, h, w) of the hyper-latent's size.
        condition
            (h(λ), log2 Δ).
        """
        if index == 0:
            nothing = torch.zeros_like(like[:, :1])
            return PriorParameters(self.first_mean(nothing, condition), self.first_octaves(nothing, condition))
        result: PriorParameters = self.nets[index - 1](torch.cat(list(known), dim=1), condition)
        return result

    def forward(self, w: Tensor, condition: Condition) -> PriorParameters:
        """Return the parameters of every element of the quantized `w` (N, C, h, w)."""
        groups = w.chunk(STEPS, dim=1)
        steps = [self.step(k, groups[:k], w, condition) for k in range(STEPS)]
        return PriorParameters(torch.cat([s.mean for s in steps], 1), torch.cat([s.log2_scale for s in steps], 1))


class HyperSynthesis(nn.Module):
    """The features of w at 1/32, for the prior of z and for the synthesis."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, knots = config.prior_channels, len(config.knots)
        self.enter = PriorConv2d(config.hyper_channels, width, 3, knots)
        self.up = PriorConv2d(width, 4 * width, 1, knots)

    def forward(self, w: Tensor, condition: Condition) -> Tensor:
        """Map the quantized w (N, C, H/64, W/64) to non-negative features (N, P, H/32, W/32)."""
        return functional.relu(
            functional.pixel_shuffle(self.up(functional.relu(self.enter(w, condition)), condition), 2)
        )


class LatentPrior(nn.Module):
    """Table 1, Π q(z_i given z_<i, w, λ, Δ): the four-step quadtree partition of z, each step given w's features.

    Step k codes a quarter of z: one channel group at each of the 2×2 positions, another group at each
    (:mod:`~isorate.codecs.learned.model.partition`). All nets work at 1/32, where the four positions are channels.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, knots, coded = config.prior_channels, len(config.knots), config.latent_channels
        hidden = config.step_channels or width
        self.nets = nn.ModuleList(StepNet(width + k * coded, hidden, coded, knots) for k in range(STEPS))

    def step(self, index: int, known: Sequence[Tensor], features: Tensor, condition: Condition) -> PriorParameters:
        """Return the parameters of step `index`, given the steps before it.

        Parameters
        ----------
        index
            0..3.
        known
            The `index` earlier steps of the quantized z, each (N, M, H/32, W/32).
        features
            The features of w, (N, P, H/32, W/32).
        condition
            (h(λ), log2 Δ).
        """
        result: PriorParameters = self.nets[index](torch.cat([features, *known], dim=1), condition)
        return result

    def forward(self, z: Tensor, features: Tensor, condition: Condition) -> PriorParameters:
        """Return the parameters of every element of the quantized `z` (N, M, H/16, W/16)."""
        parts = split_steps(z)
        steps = [self.step(k, parts[:k], features, condition) for k in range(STEPS)]
        return PriorParameters(join_steps([s.mean for s in steps]), join_steps([s.log2_scale for s in steps]))

    @torch.no_grad()
    def rdoq(self, y: Tensor, features: Tensor, condition: Condition) -> Tensor:
        """Return the latent `y` (N, M, H/16, W/16) rounded to multiples of Δ step by step, each element by its cost."""
        log2_bin = condition[1].view(-1, 1, 1, 1)
        bin_size = torch.exp2(log2_bin)
        known: list[Tensor] = []
        for index, part in enumerate(split_steps(y.float())):
            mean, log2_scale = self.step(index, known, features, condition)
            symbols = nearest_or_cheaper(part / bin_size, mean.float() / bin_size, log2_scale.float() - log2_bin)
            known.append(symbols * bin_size)
        return join_steps(known)


def set_fake_quantize(module: nn.Module, enabled: bool) -> None:
    """Switch the integers' grids, which are in fp32, on or off in every prior convolution under `module`."""
    for child in module.modules():
        if isinstance(child, PriorConv2d):
            child.fake_quantize = enabled
            child.full_precision = enabled or child.limit == OUTPUT_LIMIT
