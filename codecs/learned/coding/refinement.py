"""Efforts 2 and 3: the latents of one picture, improved by gradient descent on D + λ R with the network held fixed.

Stochastic Gumbel annealing (Yang, Bamler & Mandt 2020): each latent is a random choice between its two neighbouring
whole numbers, the choice hardens as the temperature falls, and at the end every latent is rounded. The decoder does not
know of it. Theirs is one temperature for the choice and for the mixture that stands for it; here the mixture stays
softer than the choice.

The weight of the rate is led so that every file keeps the plain one's size, near which the descent stays by itself: a
search for a size then needs one descent, not one a probe. What is left at the end the last rounding makes up for.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from isorate.codecs.distortion import distortion
from isorate.codecs.learned.bitstream.knobs import BIN_STEPS, KnobCodes
from isorate.codecs.learned.bitstream.latents import to_symbols
from isorate.codecs.learned.coding.picture import CodedPicture, PictureEncoder, read_picture
from isorate.codecs.learned.model import density
from isorate.codecs.learned.model.precision import in_bfloat16
from isorate.codecs.learned.model.quantization import RDOQ_WEIGHT
from isorate.errors import CodecError
from isorate.metrics.ms_ssim import MS_SSIM_MIN_SIDE

HOTTEST, COLDEST = 0.3, 0.12
"""Temperatures of the choice at the first step and at the last; measured, see docs/training.md."""
COOLING_FROM = 0.6
"""The progress from which on Adam's rate falls: earlier it costs more than the latents gain by settling."""
LOOKS = 40
"""How often a descent looks at the size of the file."""
MOST_PIXELS = 4_000_000
TOLERANCE = 0.002
CODER_WORD = 4
"""Bytes by which the size of a file moves; smaller files cannot meet the tolerance."""
LOWEST_WEIGHT, HIGHEST_WEIGHT = 4.0, 400.0
"""Between these lies the weight of an error in the last rounding."""
MOST_ROUNDINGS = 10
SEED = 0


@dataclass(frozen=True)
class Schedule:
    """How a descent goes; what is best for few steps is not for many (docs/training.md).

    Attributes
    ----------
    steps
        Of the descent, two at least.
    learning_rate, last_rate
        Of Adam, in units of Δ, until it falls, and at the last step. At more the many latents near zero wander off and
        cost more than is won.
    softest, hardest
        Temperature, at the first step and at the last, of the mixture of both neighbours that stands for a choice: how
        far a gradient sees beyond the chosen one.
    """

    steps: int
    learning_rate: float
    last_rate: float
    softest: float
    hardest: float

    def at(self, progress: float) -> tuple[float, float, float]:
        """Return Adam's rate and the temperatures of the choice and of the mixture at `progress`, 0..1."""
        cooling = max(0.0, (progress - COOLING_FROM) / (1 - COOLING_FROM))
        return (
            falling(self.learning_rate, self.last_rate, cooling),
            falling(HOTTEST, COLDEST, progress),
            falling(self.softest, self.hardest, progress),
        )


SCHEDULES = {2: Schedule(200, 0.015, 0.0045, 0.4, 0.4), 3: Schedule(1000, 0.01, 0.001, 0.4, 0.2)}
"""By effort."""


def refine(encoder: PictureEncoder, codes: KnobCodes, schedule: Schedule) -> CodedPicture:
    """Return a better file of `encoder`'s picture at `codes`, of the plain file's size.

    It is the plain file where none of that size is better.

    Parameters
    ----------
    encoder
        Of the picture.
    codes
        λ and Δ.
    schedule
        Of the descent.

    Raises
    ------
    CodecError
        For a picture of more than 4 megapixels, whose gradients would take too much memory.
    """
    if encoder.image.shape[0] * encoder.image.shape[1] > MOST_PIXELS:
        raise CodecError(f"learned: efforts 2 and 3 take pictures of up to {MOST_PIXELS} pixels; use effort 1")
    plain = encoder.code(codes)
    descent = Descent(encoder, plain)
    look_every = max(1, schedule.steps // LOOKS)
    for step in range(schedule.steps):
        descent.step(*schedule.at(step / (schedule.steps - 1)))
        if step % look_every == look_every - 1:
            descent.rate_weight *= len(descent.coded(RDOQ_WEIGHT).data) / len(plain.data)
    found = descent.of_size(len(plain.data))
    near = abs(len(found.data) - len(plain.data)) <= max(CODER_WORD, TOLERANCE * len(plain.data))
    return found if near and descent.distortion(found) < descent.distortion(plain) else plain


def falling(first: float, last: float, progress: float) -> float:
    """Return the value at `progress`, 0..1, on the geometric way from the first to the last."""
    return first * math.pow(last / first, progress)


class Descent:
    """The latents of one picture as variables, in units of Δ.

    Parameters
    ----------
    encoder
        Of the picture.
    start
        The picture's plain file, whose λ and Δ hold.
    """

    def __init__(self, encoder: PictureEncoder, start: CodedPicture) -> None:
        network, image = encoder.network, encoder.image
        self.encoder, self.network, self.model, self.image = encoder, network, network.model, image
        self.codes = start.codes
        self.bin_size = network.bin_size(start.codes)
        self.generator = torch.Generator(network.device).manual_seed(SEED)
        self.fast = in_bfloat16("auto", network.device, fake_quantize=False)
        self.x = torch.from_numpy(image).to(network.device).permute(2, 0, 1)[None].float() / 255
        # A picture too small for MS-SSIM is refined for the squared error.
        small = min(image.shape[:2]) < MS_SSIM_MIN_SIDE
        self.ms_ssim_share = 0.0 if small else network.weights.ms_ssim_share
        self.rate_weight = start.codes.values(network.config.knots)[0]
        y = encoder.latent(start.codes) / self.bin_size
        w = network.hyper_analysis(start.latents.z, image, start.codes) / self.bin_size
        with torch.enable_grad():
            # in the layout of the priors' parameters: two layouts in one operation are several times slower
            copies = (value[None].clone(memory_format=torch.contiguous_format) for value in (w, y))
            self.variables = [copy.requires_grad_(True) for copy in copies]
        self.optimizer = torch.optim.Adam(self.variables)

    def step(self, learning_rate: float, temperature: float, softness: float) -> None:
        """Take one step of Adam at this rate, in units of Δ, and these temperatures of choice and mixture."""
        self.optimizer.param_groups[0]["lr"] = learning_rate
        with torch.enable_grad():
            w, z = (annealed(value, temperature, softness, self.generator) for value in self.variables)
            loss = self.loss(w, z)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    def loss(self, w: Tensor, z: Tensor) -> Tensor:
        """Return D / λ + R of latents in units of Δ."""
        h = self.network.h(self.codes)
        condition = (h, torch.full_like(h[:, 0], self.codes.log2_bin / BIN_STEPS))
        w_value, z_value = w * self.bin_size, z * self.bin_size
        with torch.autocast(self.x.device.type, torch.bfloat16, enabled=self.fast):
            features = self.model.hyper_synthesis_net(w_value, condition)
            bits = self.bits(w, self.model.hyper_prior(w_value, condition))
            bits = bits + self.bits(z, self.model.latent_prior(z_value, features, condition))
            # what the decoder clips is no error, and in white sky a third of a photograph's samples
            picture = self.model.synthesis_net(z_value, features, h).float().clamp(0, 1)
        height, width = self.x.shape[2:]
        error = distortion(picture[..., :height, :width], self.x, self.ms_ssim_share).mean()
        return error / self.rate_weight + bits / (height * width)

    def bits(self, symbols: Tensor, parameters: tuple[Tensor, Tensor]) -> Tensor:
        mean, log2_scale = (value.float() for value in parameters)
        cost = density.bits(symbols, mean / self.bin_size, log2_scale - math.log2(self.bin_size))
        return cost.sum()

    def coded(self, weight: float) -> CodedPicture:
        """Return the file of the latents as they are now, rounded with that weight of an error."""
        w, y = (value.detach()[0] for value in self.variables)
        return self.encoder.rdoq(to_symbols(w), y, self.codes, weight)

    def of_size(self, target: int) -> CodedPicture:
        """Return the file nearest to `target` bytes: a heavier weight of an error makes it larger."""
        low, high = LOWEST_WEIGHT, HIGHEST_WEIGHT
        weight = RDOQ_WEIGHT
        nearest = coded = self.coded(weight)
        for _ in range(MOST_ROUNDINGS):
            if len(coded.data) < target:
                low = weight
            else:
                high = weight
            weight = math.sqrt(low * high)
            coded = self.coded(weight)
            nearest = min(nearest, coded, key=lambda one: abs(len(one.data) - target))
        return nearest

    def distortion(self, coded: CodedPicture) -> float:
        """Return D of the decoded picture."""
        picture = torch.from_numpy(read_picture(self.network, coded.data)).to(self.x).permute(2, 0, 1)[None] / 255
        return float(distortion(picture, self.x, self.ms_ssim_share))


def annealed(value: Tensor, temperature: float, softness: float, generator: torch.Generator) -> Tensor:
    """Return a random mixture of floor and ceiling of `value`.

    As `temperature` falls it is the nearer one's more surely, and as `softness` falls one of them more wholly.
    """
    floor = torch.floor(value.detach())
    share = (value - floor).clamp(1e-4, 1 - 1e-4)
    logit = (torch.atanh(1 - share) - torch.atanh(share)) / temperature
    uniform = torch.rand(value.shape, generator=generator, device=value.device).clamp(1e-6, 1 - 1e-6)
    noise = torch.log(uniform) - torch.log1p(-uniform)
    return floor + torch.sigmoid((noise - logit) / softness)
