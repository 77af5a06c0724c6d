"""The decoder that is fitted to a picture: latents to bits, latents to picture."""

import math

import torch
from torch import Tensor

from isorate.codecs.overfitted.model import context_model, synthesis, upsampling
from isorate.codecs.overfitted.model.structure import BICUBIC, FEATURE_LEVELS, PULSE, Grid, parameters
from isorate.codecs.overfitted.model.target import Target


def starting_parameters(image: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Return the nets' parameters before a fit to `image` (3, H, W).

    Residual layers start at zero, the others small (as in Cool-chic), upsampling as bicubic, filters as a pulse, the
    output as the mean colour. A filter that starts at zero stays there: it is applied along both axes, and each pass
    multiplies the gradient of the other.
    """
    params = {}
    for name, shape in parameters().items():
        value = torch.zeros(shape)
        if name in ("arm.out.weight", "arm.linear.weight") or (name.startswith("features") and len(shape) > 1):
            value = torch.randn(shape, generator=generator) / shape[0] ** 2
        elif name in ("synthesis.enter.weight", "synthesis.leave.weight", "synthesis.linear.weight"):
            reach = 1 / (math.sqrt(shape[1]) * shape[0] ** 2)
            value = (torch.rand(shape, generator=generator) * 2 - 1) * reach
        elif name.startswith("upsampling"):
            value = torch.tensor(BICUBIC)
        elif name.startswith("filter"):
            value = torch.tensor(PULSE)
        elif name == "synthesis.linear.bias":
            value = image.mean((1, 2)).cpu()
        params[name] = value.to(image.device)
    return params


def split(latents: Tensor, grids: tuple[Grid, ...]) -> list[Tensor]:
    """Return the grids, (height, width) each, of the flat `latents`."""
    parts = torch.split(latents, [grid.height * grid.width for grid in grids])
    return [part.view(grid.height, grid.width) for part, grid in zip(parts, grids, strict=True)]


class TorchDecoder:
    """The decoder of pictures of one size in PyTorch: what GPUs run, and what the kernels are held against.

    Parameters
    ----------
    grids
        The picture's grids.
    """

    def __init__(self, grids: tuple[Grid, ...]) -> None:
        self.grids = grids

    def bits(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Return the bits of each grid, (grids,), of `flat` latents."""
        return torch.stack(bits_by_grid(split(flat, self.grids), self.grids, params))

    def picture(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Return the decoded colours, (3, H, W), about 0..1."""
        return picture(split(flat, self.grids), self.grids, params)

    def distortion(self, flat: Tensor, params: dict[str, Tensor], target: Target) -> Tensor:
        """Return D of the picture, a scalar."""
        return target.distortion(self.picture(flat, params))

    def distortion_of(self, picture: Tensor, target: Target) -> float:
        """Return D of a picture (3, H, W), without gradients."""
        with torch.no_grad():
            return float(target.distortion(picture))


def bits_by_grid(latents: list[Tensor], grids: tuple[Grid, ...], params: dict[str, Tensor]) -> list[Tensor]:
    """Return the bits of each grid, scalars."""
    arm = context_model.arm_matrices(params)
    decoded: dict[int, list[Tensor]] = {}
    found = []
    for y, grid in zip(latents, grids, strict=True):
        features = None
        if grid.level < FEATURE_LEVELS:
            size = (grid.height, grid.width)
            features = context_model.coarser_features(decoded, grid.level, size, params)
        found.append(context_model.grid_bits(y, features, arm))
        decoded.setdefault(grid.level, []).append(y)
    return found


def picture(latents: list[Tensor], grids: tuple[Grid, ...], params: dict[str, Tensor]) -> Tensor:
    """Return the decoded colours, (3, H, W), about 0..1."""
    seen = {grid.level: y for y, grid in zip(latents, grids, strict=True) if not grid.hyper}
    return synthesis.picture(upsampling.stack(seen, params), params)
