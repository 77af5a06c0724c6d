"""The blocks of the analysis and synthesis transforms: residual, conditional, silent at the start."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isorate.codecs.learned.model.conditioning import ConditionalConv2d


class DenseBlock(nn.Module):
    """x + 1×1(ReLU(3×3(x))): dense convolutions, the fastest backward pass on a CPU."""

    def __init__(self, channels: int, hidden: int, knots: int) -> None:
        super().__init__()
        self.spatial = ConditionalConv2d(channels, hidden, 3, knots)
        self.mix = ConditionalConv2d(hidden, channels, 1, knots)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Map (N, C, height, width) to the same shape."""
        y: Tensor = self.mix(functional.relu(self.spatial(x, h)), h)
        return x + y


class SeparableBlock(nn.Module):
    """A depthwise 3×3 residual, then a gated 1×1 feed-forward residual (the DCVC-RT family, Jia et al. 2025)."""

    def __init__(self, channels: int, knots: int) -> None:
        super().__init__()
        self.enter = ConditionalConv2d(channels, channels, 1, knots)
        self.depthwise = ConditionalConv2d(channels, channels, 3, knots, groups=channels)
        self.leave = ConditionalConv2d(channels, channels, 1, knots)
        self.expand = ConditionalConv2d(channels, 4 * channels, 1, knots)
        self.reduce = ConditionalConv2d(2 * channels, channels, 1, knots)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.reduce.weight)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Map (N, C, height, width) to the same shape."""
        y: Tensor = x + self.leave(self.depthwise(functional.leaky_relu(self.enter(x, h), 0.1), h), h)
        gate, value = self.expand(y, h).chunk(2, dim=1)
        mixed: Tensor = self.reduce(functional.silu(gate) * value, h)
        return y + mixed


class Blocks(nn.Module):
    """A chain of residual blocks at one resolution."""

    def __init__(self, count: int, channels: int, knots: int, separable: bool, hidden: int = 0) -> None:
        super().__init__()
        self.chain = nn.ModuleList(
            SeparableBlock(channels, knots) if separable else DenseBlock(channels, hidden or channels, knots)
            for _ in range(count)
        )

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Map (N, C, height, width) to the same shape."""
        for block in self.chain:
            x = block(x, h)
        return x


def unshuffle(x: Tensor, factor: int) -> Tensor:
    """Space to depth by `factor`, the result in channels-last memory."""
    y = functional.pixel_unshuffle(x, factor)
    return y.contiguous(memory_format=torch.channels_last)


def shuffle(x: Tensor, factor: int) -> Tensor:
    """Depth to space by `factor`, the result in channels-last memory."""
    y = functional.pixel_shuffle(x, factor)
    return y.contiguous(memory_format=torch.channels_last)
