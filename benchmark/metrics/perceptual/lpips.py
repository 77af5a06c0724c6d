"""LPIPS: how far the features of AlexNet are apart."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.perceptual.files import Backbone, describe, package_file, read_weights
from isorate.metrics.perceptual.pictures import planes
from isorate.metrics.shapes import same_shape
from isorate.metrics.torch_defaults import torch_defaults

if TYPE_CHECKING:
    from torch import Tensor, nn

ALEXNET = Backbone("AlexNet", "alexnet-owt-7be5be79.pth", 233)
HEADS = "weights/v0.1/alex.pth"
"""In the package: a weight from 0 on for each channel of each stage."""
CHANNELS = (64, 192, 384, 256, 256)
"""Of AlexNet's stages."""
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""What version 0.1 takes off the samples of -1 to 1, and divides them by: R, G, B."""
MIN_SIDE = 31
"""Below it AlexNet's third stage has no samples left."""


class Lpips(Metric):
    """LPIPS (Zhang et al. 2018), version 0.1 with AlexNet, which is what papers mean where they name no network."""

    name, label, digits = "lpips", "LPIPS", 4
    larger_is_better = False
    scale = "error"
    tolerance = 0.001
    measured_on = "sRGB from -1 to 1, at its own size; LPIPS 0.1, features of AlexNet"

    @property
    def implementation(self) -> str:
        """The versions of the package and of PyTorch, and the checksums of both files of weights."""
        return describe("lpips", *self._files())

    def _files(self) -> tuple[Path, Path]:
        return package_file("lpips", HEADS, self.name), ALEXNET.checked(self.name)

    def measure(self, reference: Image, decoded: Image) -> float | None:
        """Return 0 for identical pictures, or None below 31 pixels a side."""
        same_shape(reference, decoded)
        if min(reference.shape[:2]) < MIN_SIDE:
            return None
        with torch_defaults():
            return _distance(planes(reference), planes(decoded), *_networks(*self._files(), self.name))


@lru_cache(maxsize=1)
def _networks(heads: Path, backbone: Path, metric: str) -> tuple[list["nn.Sequential"], list["Tensor"]]:
    from isorate.metrics.perceptual.networks import alexnet

    shapes = {f"lin{stage}.model.1.weight": (1, channels, 1, 1) for stage, channels in enumerate(CHANNELS)}
    return alexnet(backbone, metric), list(read_weights(heads, shapes, metric).values())


def _distance(first: "Tensor", second: "Tensor", stages: list["nn.Sequential"], heads: list["Tensor"]) -> float:
    """Return the sum over stages of the mean weighted squared difference of features, at each place of length 1."""
    import torch

    total = 0.0
    with torch.inference_mode():
        shift, scale = (torch.tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        first, second = ((2 * samples - 1 - shift) / scale for samples in (first, second))
        for stage, weights in zip(stages, heads, strict=True):
            first, second = stage(first), stage(second)
            one, other = (features / (features.norm(dim=1, keepdim=True) + 1e-10) for features in (first, second))
            errors = ((one - other) ** 2).mean((2, 3), dtype=torch.float64, keepdim=True)
            total += float((weights * errors).sum())
    return total
