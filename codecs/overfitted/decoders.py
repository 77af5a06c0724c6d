"""The implementations of the decoder that fits run: kernels on a CPU, PyTorch elsewhere."""

from typing import Protocol

import torch
from torch import Tensor

from isorate.codecs.overfitted.model.decoder import TorchDecoder
from isorate.codecs.overfitted.model.structure import Grid
from isorate.codecs.overfitted.model.target import Target


class Decoder(Protocol):
    """The decoder of pictures of one size. Latents are flat, grid after grid; gradients pass to them and the nets."""

    def bits(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Return the bits of each grid, (grids,)."""
        ...

    def picture(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Return the decoded colours, (3, H, W), about 0..1."""
        ...

    def distortion(self, flat: Tensor, params: dict[str, Tensor], target: Target) -> Tensor:
        """Return D of the picture, a scalar."""
        ...

    def distortion_of(self, picture: Tensor, target: Target) -> float:
        """Return D of a picture (3, H, W), without gradients."""
        ...


def decoder_for(grids: tuple[Grid, ...], device: torch.device) -> Decoder:
    """Return the decoder that `device` runs."""
    if device.type == "cpu":
        from isorate.codecs.overfitted.kernels.decoder import KernelDecoder

        return KernelDecoder(grids)
    return TorchDecoder(grids)
