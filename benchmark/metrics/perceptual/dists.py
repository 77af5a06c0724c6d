"""DISTS: structure and texture in the features of VGG16."""

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

VGG16 = Backbone("VGG16", "vgg16-397923af.pth", 528)
WEIGHTS = "weights.pt"
"""In the package: of every channel the weights of means, alpha, and of structure, beta."""
CHANNELS = (3, 64, 128, 256, 512, 512)
"""Of the picture and of VGG16's stages."""
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Of ImageNet's samples from 0 to 1: R, G, B."""
STABLE = 1e-6
"""What keeps the quotients finite where both pictures are flat."""


class Dists(Metric):
    """DISTS (Ding, Ma, Wang & Simoncelli 2020), 0 for identical pictures, at the picture's own size."""

    name, label, digits = "dists", "DISTS", 4
    larger_is_better = False
    scale = "error"
    tolerance = 0.001
    measured_on = "sRGB from 0 to 1, at its own size; features of VGG16"

    @property
    def implementation(self) -> str:
        """The versions of the package and of PyTorch, and the checksums of both files of weights."""
        return describe("DISTS-pytorch", *self._files())

    def _files(self) -> tuple[Path, Path]:
        return package_file("DISTS_pytorch", WEIGHTS, self.name), VGG16.checked(self.name)

    def measure(self, reference: Image, decoded: Image) -> float:
        """Return 0 for identical pictures, more for worse ones."""
        same_shape(reference, decoded)
        with torch_defaults():
            return _distance(planes(reference), planes(decoded), *_networks(*self._files(), self.name))


@lru_cache(maxsize=1)
def _networks(weights: Path, backbone: Path, metric: str) -> tuple[list["nn.Sequential"], list[tuple["Tensor", ...]]]:
    """Return VGG16's stages, and alpha and beta of the picture and each stage: shape ``(channels,)``, sum 1 of all."""
    import torch

    from isorate.metrics.perceptual.networks import vgg16_l2

    shape = (1, sum(CHANNELS), 1, 1)
    found = read_weights(weights, {"alpha": shape, "beta": shape}, metric)
    total = sum(values.double().sum() for values in found.values())
    parts = [torch.split(values.double().flatten() / total, list(CHANNELS)) for values in found.values()]
    return vgg16_l2(backbone, metric), list(zip(*parts, strict=True))


def _distance(
    first: "Tensor", second: "Tensor", stages: list["nn.Sequential"], weights: list[tuple["Tensor", ...]]
) -> float:
    """Return 1 less the weighted similarities of all stages' means, for texture, and of what differs from them."""
    import torch

    with torch.inference_mode():
        similar = _similarity(first, second, *weights[0])
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        first, second = ((samples - mean) / deviation for samples in (first, second))
        for stage, (alpha, beta) in zip(stages, weights[1:], strict=True):
            first, second = stage(first), stage(second)
            similar += _similarity(first, second, alpha, beta)
    return max(0.0, 1 - similar)  # sums of weights that make 1 but for rounding


def _similarity(first: "Tensor", second: "Tensor", alpha: "Tensor", beta: "Tensor") -> float:
    """Return one stage's share: similar means weighted by `alpha`, correlation by `beta`."""
    import torch

    means = [features.mean((2, 3), dtype=torch.float64, keepdim=True) for features in (first, second)]
    off = [features - mean.float() for features, mean in zip((first, second), means, strict=True)]
    variances = [(some**2).mean((2, 3), dtype=torch.float64)[0] for some in off]
    covariance = (off[0] * off[1]).mean((2, 3), dtype=torch.float64)[0]
    one, other = (mean.flatten() for mean in means)
    texture = (2 * one * other + STABLE) / (one**2 + other**2 + STABLE)
    structure = (2 * covariance + STABLE) / (variances[0] + variances[1] + STABLE)
    return float((alpha * texture + beta * structure).sum())
