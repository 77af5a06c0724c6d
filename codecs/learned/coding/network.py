"""The networks of one weights file, ready to code pictures: float transforms, integer priors, probability tables."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isorate.codecs.learned.bitstream.conv_weights import D_BITS, U_BITS, V_BITS
from isorate.codecs.learned.bitstream.integer_priors import ConditionedPriors, IntegerPriors
from isorate.codecs.learned.bitstream.knobs import LMBDA_STEPS, KnobCodes
from isorate.codecs.learned.bitstream.latents import LATENT_STRIDE, hyper_size
from isorate.codecs.learned.bitstream.layout import misfit
from isorate.codecs.learned.bitstream.symbols import ProbabilityTables
from isorate.codecs.learned.bitstream.tables import BIN_BITS
from isorate.codecs.learned.bitstream.weights import Weights, load_weights
from isorate.codecs.learned.coding.strips import in_strips, scaled
from isorate.codecs.learned.model.autoencoder import STRIDE
from isorate.codecs.learned.model.fixed_point import ACTIVATION_BITS
from isorate.codecs.learned.model.skeleton import skeleton
from isorate.errors import CodecUnavailableError
from isorate.image import Image

LATENT_ROWS = STRIDE // LATENT_STRIDE
FEATURE_ROWS = LATENT_ROWS // 2


class Network:
    """A weights file in memory.

    Parameters
    ----------
    weights
        The file's content.
    device
        Where the networks run. Streams do not depend on it.

    Attributes
    ----------
    model
        All nets in floating point; the priors in it hold the same numbers as the integer ones.
    """

    def __init__(self, weights: Weights, device: str = "cpu") -> None:
        self.weights = weights
        self.config = weights.config
        self.device = torch.device(device)
        self.model = skeleton(weights.config)
        self.model.load_state_dict(_parameters(weights), assign=True)
        self.model.requires_grad_(False).eval()
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.priors = IntegerPriors(weights.priors, weights.tables, weights.config, self.device)
        self.tables = ProbabilityTables(*(weights.tables[name] for name in ("frequencies", "counts", "lowest")))

    def conditioned(self, codes: KnobCodes) -> ConditionedPriors:
        """Return the integer priors at `codes`."""
        return self.priors.at(codes)

    def has(self, codes: KnobCodes) -> bool:
        """Return whether λ's code lies within the knots."""
        return codes.lmbda <= LMBDA_STEPS * (len(self.config.knots) - 1)

    def h(self, codes: KnobCodes) -> Tensor:
        """Return h(λ), (1, K)."""
        hat = codes.hat(len(self.config.knots)) / LMBDA_STEPS
        return torch.from_numpy(hat[None]).to(self.device, torch.float32)

    def bin_size(self, codes: KnobCodes) -> float:
        """Return Δ, exactly as the priors have it."""
        size = int(self.weights.tables["bin_size"][codes.bin_size])
        return size / (1 << BIN_BITS)

    def analysis(self, image: Image, codes: KnobCodes) -> Tensor:
        """Return the latent y of `image` before quantization: (M, H/16, W/16), float32, H and W padded to 64."""
        h, height, width = self.h(codes), *image.shape[:2]
        padded = _padded(image)

        def run(units: slice) -> Tensor:
            y: Tensor = self.model.analysis_net(self._tensor(padded[scaled(units, STRIDE)]), h)
            return y

        units, across = hyper_size(height, width)
        return in_strips(run, units, STRIDE * STRIDE * across, self._analysis_halo(), LATENT_ROWS)[0]

    def hyper_analysis(self, z: NDArray[np.int32], image: Image, codes: KnobCodes) -> Tensor:
        """Return w of `image` and the symbols `z` before quantization: (C, H/64, W/64), float32."""
        h, step = self.h(codes), self.bin_size(codes)
        padded = _padded(image)

        def run(units: slice) -> Tensor:
            latent = self._tensor_of(z[:, scaled(units, LATENT_ROWS)]) * step
            y: Tensor = self.model.hyper_analysis_net(latent, self._tensor(padded[scaled(units, STRIDE)]), h)
            return y

        units, across = hyper_size(*image.shape[:2])
        return in_strips(run, units, STRIDE * STRIDE * across, 0, 1)[0]

    def synthesis(self, z: NDArray[np.int32], features: Tensor, codes: KnobCodes, height: int, width: int) -> Image:
        """Return the picture, (height, width, 3) uint8, of the symbols `z` and the integer `features` of w."""
        h, step = self.h(codes), self.bin_size(codes)

        def run(units: slice) -> Tensor:
            latent = self._tensor_of(z[:, scaled(units, LATENT_ROWS)]) * step
            hyper = features[None, :, scaled(units, FEATURE_ROWS)].float() * 2.0**-ACTIVATION_BITS
            hyper = hyper.contiguous(memory_format=torch.channels_last)
            picture: Tensor = self.model.synthesis_net(latent, hyper, h)
            return (picture.clamp_(0, 1) * 255).round_().to(torch.uint8)

        units, across = hyper_size(height, width)
        picture = in_strips(run, units, STRIDE * STRIDE * across, self._synthesis_halo(), STRIDE)[0]
        pixels = picture[:, :height, :width].permute(1, 2, 0).cpu().numpy()
        return np.ascontiguousarray(pixels)

    def _tensor(self, image: Image) -> Tensor:
        """Return `image` as (1, 3, H, W) in 0..1, channels last."""
        x = torch.from_numpy(image).to(self.device)[None].permute(0, 3, 1, 2)
        return x.float() / 255

    def _tensor_of(self, symbols: NDArray[np.int32]) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(symbols)).to(self.device, torch.float32)[None]
        return x.contiguous(memory_format=torch.channels_last)

    def _analysis_halo(self) -> int:
        """Units of 64 pixels that the analysis looks beyond a strip."""
        config = self.config
        reach = 8 * (config.encoder_fine_blocks + config.enter_kernel // 2) + 16 * config.encoder_coarse_blocks
        return -(-reach // STRIDE)

    def _synthesis_halo(self) -> int:
        """Units of 64 pixels that the synthesis looks beyond a strip; its last kernel is 3×3."""
        return -(-(16 * self.config.decoder_coarse_blocks + 8 * (self.config.decoder_fine_blocks + 1)) // STRIDE)


@lru_cache(maxsize=4)
def load_network(path: Path, device: str = "cpu") -> Network:
    """Return the network of the weights file at `path`; loaded once in a process.

    Raises
    ------
    CodecUnavailableError
        When the file is missing, damaged or of another layout.
    """
    weights = load_weights(path)
    if why := misfit(weights):
        raise CodecUnavailableError(f"learned: {path} does not fit its configuration: {why}; export it again")
    try:
        return Network(weights, device)
    except ValueError as error:
        raise CodecUnavailableError(f"learned: {path} cannot code pictures: {error}; export it again") from None


def _padded(image: Image) -> Image:
    """Return `image` extended on the right and below by its own edge to multiples of the stride."""
    height, width = image.shape[:2]
    if height % STRIDE == 0 and width % STRIDE == 0:
        return image
    return np.pad(image, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="edge")


def _parameters(weights: Weights) -> dict[str, Tensor]:
    """Return the model's parameters, those of the priors from their integers."""
    found: dict[str, Any] = {
        name: torch.from_numpy(value.astype(np.float32)) for name, value in weights.transforms.items()
    }
    for name, conv in weights.priors.items():
        weight = np.ldexp(conv.weight.astype(np.float64), -conv.point.astype(np.int64)[:, None, None, None])
        parts = {"weight": weight, "u": conv.u / 2.0**U_BITS, "v": conv.v / 2.0**V_BITS, "d": conv.d / 2.0**D_BITS}
        found |= {f"{name}.{part}": torch.from_numpy(value.astype(np.float32)) for part, value in parts.items()}
    return found
