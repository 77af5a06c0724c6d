"""Effort 2: the latents of one picture, improved by gradient descent on D + λ R with the network held fixed.

Stochastic Gumbel annealing (Yang, Bamler & Mandt 2020): each latent is a random choice between its two neighbouring
whole numbers, the choice hardens as the temperature falls, and at the end every latent is rounded. The decoder does not
know of it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isorate.codecs.learned import gaussian
from isorate.codecs.learned.bits.knob_codes import BIN_STEPS, KnobCodes
from isorate.codecs.learned.bits.latents import Latents, to_symbols
from isorate.codecs.learned.picture_encoder import Coded, PictureEncoder, read_picture
from isorate.errors import CodecError

STEPS = 80
EXTRA_STEPS = 48
"""Further steps that a target rate may take."""
LEARNING_RATE = 0.01
"""Of Adam, in units of Δ."""
HOTTEST, COLDEST = 0.3, 0.05
HARD_FROM = 0.5
"""Share of the steps after which rounded latents are looked at, too."""
LOOK_EVERY = 4
MOST_PIXELS = 4_000_000
TOLERANCE = 0.005
PULL = 1.5
"""How fast the weight of the rate answers a file that is too large or too small."""


@dataclass(slots=True)
class _Best:
    """The best rounded latents so far: within the target's tolerance first, then by the loss."""

    key: tuple[bool, float]
    coded: Coded


def refine(encoder: PictureEncoder, codes: KnobCodes, target_bytes: float | None = None, *, seed: int = 0) -> Coded:
    """Return a better file of `encoder`'s picture at `codes`.

    Parameters
    ----------
    encoder
        The picture and the network.
    codes
        λ and Δ.
    target_bytes
        Without it, D + λ R falls. With it, D falls under a rate that is led to the target.
    seed
        Of the random choices.

    Raises
    ------
    CodecError
        For a picture of more than 4 megapixels, whose gradients would take too much memory.
    """
    if encoder.image.shape[0] * encoder.image.shape[1] > MOST_PIXELS:
        raise CodecError(f"learned: effort 2 takes pictures of up to {MOST_PIXELS} pixels; use effort 1")
    plain = encoder.code(codes)
    descent = _Descent(encoder, plain, seed)
    best = _Best(descent.key(plain, target_bytes), plain)
    steps = STEPS if target_bytes is None else STEPS + EXTRA_STEPS
    for step in range(steps):
        progress = min(1.0, step / (STEPS - 1))
        descent.step(HOTTEST * (COLDEST / HOTTEST) ** progress)
        last = step == steps - 1
        if (progress >= HARD_FROM and step % LOOK_EVERY == 0) or last:
            coded = encoder.code_latents(descent.rounded(), codes)
            key = descent.key(coded, target_bytes)
            if key < best.key:
                best = _Best(key, coded)
            if target_bytes is not None:
                descent.rate_weight *= (len(coded.data) / target_bytes) ** PULL
                if step >= STEPS and not best.key[0]:
                    break
    return best.coded


class _Descent:
    """The latents in units of Δ, as variables."""

    def __init__(self, encoder: PictureEncoder, start: Coded, seed: int) -> None:
        network, image = encoder.network, encoder.image
        self.network, self.model, self.image = network, network.model, image
        self.codes = start.codes
        self.bin_size = network.bin_size(start.codes)
        self.generator = torch.Generator(network.device).manual_seed(seed)
        self.x = torch.from_numpy(image).to(network.device).permute(2, 0, 1)[None].float() / 255
        self.rate_weight = start.codes.values(network.config.knots)[0]
        y = encoder.latent(start.codes) / self.bin_size
        w = network.hyper_analysis(start.latents.z, image, start.codes) / self.bin_size
        with torch.enable_grad():
            self.variables = [value[None].clone().requires_grad_(True) for value in (w, y)]
        self.optimizer = torch.optim.Adam(self.variables, LEARNING_RATE)

    def step(self, temperature: float) -> None:
        """Take one step of Adam at this temperature."""
        with torch.enable_grad():
            w, z = (annealed(value, temperature, self.generator) for value in self.variables)
            loss = self.loss(w, z)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    def loss(self, w: Tensor, z: Tensor) -> Tensor:
        """Return D / λ + R of latents in units of Δ."""
        h = self.network.h(self.codes)
        condition = (h, torch.full_like(h[:, 0], self.codes.log2_bin / BIN_STEPS))
        w_value, z_value = w * self.bin_size, z * self.bin_size
        features = self.model.hyper_synthesis_net(w_value, condition)
        bits = self.bits(w, self.model.hyper_prior(w_value, condition))
        bits = bits + self.bits(z, self.model.latent_prior(z_value, features, condition))
        height, width = self.x.shape[2:]
        picture = self.model.synthesis_net(z_value, features, h)[..., :height, :width]
        distortion: Tensor = (picture - self.x).square().mean()
        return distortion / self.rate_weight + bits / (height * width)

    def bits(self, symbols: Tensor, parameters: tuple[Tensor, Tensor]) -> Tensor:
        mean, octaves = parameters
        cost = gaussian.bits(symbols, mean / self.bin_size, octaves - math.log2(self.bin_size))
        return cost.sum()

    def rounded(self) -> Latents:
        """Return the latents as they would be coded."""
        w, z = (to_symbols(value.detach()[0]) for value in self.variables)
        return Latents(w, z)

    def key(self, coded: Coded, target_bytes: float | None) -> tuple[bool, float]:
        """Return what orders candidates: smaller is better."""
        picture = read_picture(self.network, coded.data)
        distortion = float(np.square(picture.astype(np.float32) - self.image).mean()) / 255**2
        if target_bytes is not None:
            off = abs(len(coded.data) / target_bytes - 1)
            return (True, off) if off > TOLERANCE else (False, distortion)
        bpp = 8 * len(coded.data) / (self.image.shape[0] * self.image.shape[1])
        return False, distortion + self.rate_weight * bpp


def annealed(value: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return a random mixture of floor and ceiling of `value` that hardens as `temperature` falls."""
    floor = torch.floor(value.detach())
    share = (value - floor).clamp(1e-4, 1 - 1e-4)
    logit = (torch.atanh(1 - share) - torch.atanh(share)) / temperature
    uniform = torch.rand(value.shape, generator=generator, device=value.device).clamp(1e-6, 1 - 1e-6)
    noise = torch.log(uniform) - torch.log1p(-uniform)
    return floor + torch.sigmoid((noise - logit) / temperature)
