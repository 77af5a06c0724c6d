"""The state of a fit: latents and nets of one picture, what they cost, and how to keep them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from isorate.codecs.overfitted.bitstream.starts import Params
from isorate.codecs.overfitted.decoders import decoder_for
from isorate.codecs.overfitted.model import decoder
from isorate.codecs.overfitted.model.structure import Grid, grids
from isorate.codecs.overfitted.model.target import Target


@dataclass(frozen=True, slots=True)
class Measured:
    """What rounded latents cost.

    Attributes
    ----------
    distortion
        D of the picture in 8-bit colours.
    bits
        Bits of the latents.
    """

    distortion: float
    bits: float


class State:
    """Latents and nets of one picture.

    Parameters
    ----------
    target
        The picture, and what D is made of.
    generator
        Draws the starting values.

    Attributes
    ----------
    grids
        In the order of coding.
    decoder
        What computes bits and pictures on the picture's device.
    latents
        Flat, one a grid, in units of a whole number.
    params
        By name; matrices are held as kernels of 1×1, which is what SOAP rotates.
    """

    def __init__(self, target: Target, generator: torch.Generator) -> None:
        self.target = target
        image = target.image
        self.grids: tuple[Grid, ...] = grids(image.shape[1], image.shape[2])
        self.decoder = decoder_for(self.grids, image.device)
        self.latents = [torch.zeros(g.height * g.width, device=image.device, requires_grad=True) for g in self.grids]
        start = decoder.starting_parameters(image, generator)
        self.params = {name: _as_kernel(value).requires_grad_() for name, value in start.items()}

    @torch.no_grad()
    def begin_anew(self, generator: torch.Generator) -> None:
        """Draw other starting values."""
        for value in self.latents:
            value.zero_()
        for name, value in decoder.starting_parameters(self.image, generator).items():
            self.params[name].copy_(_as_kernel(value))

    @property
    def image(self) -> Tensor:
        """The picture, (3, H, W), float32, 0..1."""
        return self.target.image

    @property
    def num_pixels(self) -> int:
        """Pixels of the picture."""
        return self.image.shape[1] * self.image.shape[2]

    def matrices(self) -> dict[str, Tensor]:
        """Return the parameters in the shapes that the model takes."""
        return {name: _as_matrix(value) for name, value in self.params.items()}

    def cost(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Return D and the bits of (soft-)rounded `flat` latents, scalars."""
        params = self.matrices()
        return self.decoder.distortion(flat, params, self.target), self.decoder.bits(flat, params).sum()

    @torch.no_grad()
    def rounded(self) -> Tensor:
        """Return the latents as whole numbers, flat."""
        return torch.round(torch.cat(self.latents))

    @torch.no_grad()
    def measure(self) -> Measured:
        """Return what the rounded latents cost under the nets as they are."""
        latents, params = self.rounded(), self.matrices()
        return Measured(self.distortion(latents, params), float(self.decoder.bits(latents, params).sum()))

    @torch.no_grad()
    def bits(self) -> float:
        """Return the bits of the rounded latents under the nets as they are."""
        return float(self.decoder.bits(self.rounded(), self.matrices()).sum())

    @torch.no_grad()
    def distortion(self, flat: Tensor, params: dict[str, Tensor]) -> float:
        """Return D of the 8-bit picture."""
        picture = self.decoder.picture(flat, params).clamp_(0, 1).mul_(255).round_().div_(255)
        return self.decoder.distortion_of(picture, self.target)

    def copy(self) -> list[Tensor]:
        """Return copies of the latents and nets."""
        return [value.detach().clone() for value in self._all()]

    @torch.no_grad()
    def restore(self, copies: list[Tensor]) -> None:
        """Take the latents and nets that :meth:`copy` returned."""
        for value, kept in zip(self._all(), copies, strict=True):
            value.copy_(kept)

    def clear_gradients(self) -> None:
        """Forget all gradients."""
        for value in self._all():
            value.grad = None

    def _all(self) -> list[Tensor]:
        return [*self.latents, *self.params.values()]

    def save(self, path: Path) -> None:
        """Write the state to a file, from which :meth:`load` goes on."""
        tensors = {f"latents.{place}": value.detach() for place, value in enumerate(self.latents)}
        save_file(tensors | {name: value.detach().contiguous() for name, value in self.params.items()}, path)

    @torch.no_grad()
    def load(self, path: Path) -> None:
        """Take the latents and nets of a file."""
        stored = load_file(path)
        for place, value in enumerate(self.latents):
            value.copy_(stored[f"latents.{place}"])
        for name, value in self.params.items():
            value.copy_(stored[name])

    @torch.no_grad()
    def set_params(self, params: Params) -> None:
        """Take the nets' parameters, by name."""
        for name, value in self.params.items():
            value.copy_(torch.from_numpy(params[name]).view_as(value))

    def keep(self, names: Iterable[str]) -> None:
        """Leave these parameters as they are from now on: they get no gradients."""
        for name in names:
            self.params[name].requires_grad_(False)


def _as_kernel(value: Tensor) -> Tensor:
    return value[:, :, None, None].contiguous() if value.dim() == 2 else value.contiguous()


def _as_matrix(value: Tensor) -> Tensor:
    return value.flatten(1) if value.dim() == 4 and value.shape[2:] == (1, 1) else value
