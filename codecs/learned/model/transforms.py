"""The transforms of Table 1: analysis, hyper-analysis and synthesis. They stay in floating point."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from isorate.codecs.learned.model.conditioning import ConditionalConv2d
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.layers import Blocks, shuffle, unshuffle

MID_GREY = 0.5
PATCH = 8
"""Pixels on a side of the first space-to-depth step."""
RGB_PATCH = 3 * PATCH * PATCH


class Analysis(nn.Module):
    """Table 1, p(z given x, λ, Δ): the picture x to the latent y, which is z before quantization.

    Pixel-unshuffle by 8, a convolution (at the start: the KLT of each 8×8 patch in its centre tap), blocks at 1/8,
    unshuffle by 2, blocks at 1/16, and a 1×1 convolution whose scale is the gain of each λ.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        fine, coarse, knots = config.fine_channels, config.coarse_channels, len(config.knots)
        self.enter = ConditionalConv2d(RGB_PATCH, fine, config.enter_kernel, knots)
        self.fine = Blocks(config.encoder_fine_blocks, fine, knots, config.separable)
        self.down = ConditionalConv2d(4 * fine, coarse, 1, knots)
        self.coarse = Blocks(config.encoder_coarse_blocks, coarse, knots, config.separable, config.coarse_hidden)
        self.leave = ConditionalConv2d(coarse, config.latent_channels, 1, knots, full_precision=True)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Map x (N, 3, H, W) in [0, 1] to y (N, M, H/16, W/16)."""
        fine = self.fine(self.enter(unshuffle(x - MID_GREY, PATCH), h), h)
        y: Tensor = self.leave(self.coarse(self.down(unshuffle(fine, 2), h), h), h)
        return y


class HyperAnalysis(nn.Module):
    """Table 1, p(w given z, x, λ, Δ): the hyper-latent is drawn from **both** the quantized z and the picture x."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, knots = config.prior_channels, len(config.knots)
        self.from_latent = ConditionalConv2d(config.latent_channels, width // 2, 1, knots)
        self.from_image = ConditionalConv2d(4 * RGB_PATCH, width // 2, 1, knots)
        self.middle = ConditionalConv2d(4 * width, width, 1, knots)
        self.leave = ConditionalConv2d(4 * width, config.hyper_channels, 1, knots, full_precision=True)

    def forward(self, z: Tensor, x: Tensor, h: Tensor) -> Tensor:
        """Map z (N, M, H/16, W/16) and x (N, 3, H, W) to w before quantization, (N, C, H/64, W/64)."""
        both = torch.cat([self.from_latent(z, h), self.from_image(unshuffle(x - MID_GREY, 2 * PATCH), h)], dim=1)
        y = functional.leaky_relu(self.middle(unshuffle(functional.leaky_relu(both, 0.1), 2), h), 0.1)
        w: Tensor = self.leave(unshuffle(y, 2), h)
        return w


class Synthesis(nn.Module):
    """Table 1, δ(x - g(z, w, λ)): the decoder reads **both** the latent z and the features of w."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        fine, coarse, knots = config.fine_channels, config.coarse_channels, len(config.knots)
        self.from_latent = ConditionalConv2d(config.latent_channels, coarse, 1, knots, full_precision=True)
        self.from_hyper = ConditionalConv2d(config.prior_channels, 4 * coarse, 1, knots)
        nn.init.zeros_(self.from_hyper.weight)
        self.coarse = Blocks(config.decoder_coarse_blocks, coarse, knots, config.separable, config.coarse_hidden)
        self.up = ConditionalConv2d(coarse, 4 * fine, 1, knots)
        self.fine = Blocks(config.decoder_fine_blocks, fine, knots, config.separable)
        self.leave = ConditionalConv2d(fine, RGB_PATCH, 3, knots)

    def forward(self, z: Tensor, hyper: Tensor, h: Tensor) -> Tensor:
        """Map z (N, M, H/16, W/16) and the features of w (N, P, H/32, W/32) to the picture, unclipped."""
        y = self.coarse(self.from_latent(z, h) + shuffle(self.from_hyper(hyper, h), 2), h)
        y = self.fine(shuffle(self.up(y, h), 2), h)
        return functional.pixel_shuffle(self.leave(y, h), PATCH) + MID_GREY
