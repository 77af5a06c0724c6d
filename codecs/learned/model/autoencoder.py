"""The conditional autoencoder: one network, every rate (Choi, El-Khamy & Lee, ICCV 2019; supplementary, Table 1)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from isorate.codecs.learned.model import density
from isorate.codecs.learned.model.conditioning import hat
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.priors import Condition, HyperPrior, HyperSynthesis, LatentPrior, PriorParameters
from isorate.codecs.learned.model.quantization import QuantizationMode, Quantizer, straight_through
from isorate.codecs.learned.model.transforms import Analysis, HyperAnalysis, Synthesis

STRIDE = 64
"""Height and width of a picture must be multiples of this."""


class Coded(NamedTuple):
    """What one pass through the autoencoder gives.

    Attributes
    ----------
    picture
        The reconstruction, (N, 3, H, W), unclipped, 0..1.
    latent_bits, hyper_bits
        The estimated bits of z and of w for each image, (N,), float32.
    """

    picture: Tensor
    latent_bits: Tensor
    hyper_bits: Tensor

    @property
    def bits(self) -> Tensor:
        """The estimated bits of each image, (N,)."""
        return self.latent_bits + self.hyper_bits


class ConditionalAutoencoder(nn.Module):
    """The whole model; its methods are the rows of Table 1.

    λ multiplies the rate in bits per pixel, the distortion is the mean squared error of pixels in [0, 1]:
    L = D + λ R. Every method takes λ as a tensor (N,), and Δ where it matters.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.analysis_net = Analysis(config)
        self.hyper_analysis_net = HyperAnalysis(config)
        self.synthesis_net = Synthesis(config)
        self.hyper_prior = HyperPrior(config)
        self.hyper_synthesis_net = HyperSynthesis(config)
        self.latent_prior = LatentPrior(config)
        self.charge = Charge()

    def h(self, lmbda: Tensor) -> Tensor:
        """Return h(λ), (N, K)."""
        return hat(lmbda, self.config.knots)

    def condition(self, lmbda: Tensor, bin_size: Tensor) -> Condition:
        """Return what the priors are told of (λ, Δ)."""
        return self.h(lmbda), torch.log2(bin_size.float())

    def analysis(self, x: Tensor, lmbda: Tensor) -> Tensor:
        """Table 1, p(z given x, λ, Δ): return z before quantization, (N, M, H/16, W/16)."""
        y: Tensor = self.analysis_net(x, self.h(lmbda))
        return y

    def hyper_analysis(self, z: Tensor, x: Tensor, lmbda: Tensor) -> Tensor:
        """Table 1, p(w given z, x, λ, Δ): return w before quantization, (N, C, H/64, W/64); `z` is quantized."""
        y: Tensor = self.hyper_analysis_net(z, x, self.h(lmbda))
        return y

    def hyper_synthesis(self, w: Tensor, lmbda: Tensor, bin_size: Tensor) -> Tensor:
        """Return the features of the quantized `w` at 1/32."""
        y: Tensor = self.hyper_synthesis_net(w, self.condition(lmbda, bin_size))
        return y

    def synthesis(self, z: Tensor, hyper: Tensor, lmbda: Tensor) -> Tensor:
        """Table 1, δ(x - g(z, w, λ)): return the picture from z and the features of w."""
        x: Tensor = self.synthesis_net(z, hyper, self.h(lmbda))
        return x

    def forward(
        self,
        x: Tensor,
        lmbda: Tensor,
        bin_size: Tensor,
        mode: QuantizationMode = "round",
        generator: torch.Generator | None = None,
        *,
        reconstruct: bool = True,
    ) -> Coded:
        """Code a batch and estimate its bits.

        Parameters
        ----------
        x
            Pictures (N, 3, H, W) in [0, 1]; H and W are multiples of :data:`STRIDE`.
        lmbda, bin_size
            λ and Δ of each image, (N,), float32.
        mode, generator
            See :class:`~isorate.codecs.learned.model.quantization.Quantizer`.
        reconstruct
            Whether the synthesis runs; without it the picture is `x` itself.
        """
        h, condition = self.h(lmbda), self.condition(lmbda, bin_size)
        quantize = Quantizer(bin_size, mode, generator)
        y = self.analysis_net(x, h).float()
        z, z_rate = quantize(y)
        w, w_rate = quantize(self.hyper_analysis_net(z, x, h).float())
        features = self.hyper_synthesis_net(w, condition)
        if mode == "rdoq":
            z = z_rate = straight_through(y, self.latent_prior.rdoq(y, features, condition))
        latent_bits = self.charge(z_rate, self.latent_prior(z, features, condition), bin_size)
        hyper_bits = self.charge(w_rate, self.hyper_prior(w, condition), bin_size)
        picture = self.synthesis_net(z, features, h) if reconstruct else x
        return Coded(picture, latent_bits, hyper_bits)


class Charge(nn.Module):
    """What a latent costs; a module so that it can be compiled for itself."""

    def forward(self, values: Tensor, parameters: PriorParameters, bin_size: Tensor) -> Tensor:
        """Return the bits of the latent `values` (N, C, h, w) of each image, (N,), float32."""
        step = bin_size.float().view(-1, 1, 1, 1)
        mean, log2_scale = parameters.mean.float() / step, parameters.log2_scale - torch.log2(step)
        return density.bits(values.float() / step, mean, log2_scale).flatten(1).sum(1)
