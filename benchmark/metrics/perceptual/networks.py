"""The convolutions of AlexNet and VGG16, in stages whose results LPIPS and DISTS compare."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from isorate.metrics.perceptual.files import read_weights


class L2Pooling(nn.Module):
    """Half the size, by the root of locally averaged squares: VGG16's pooling in DISTS (Ding et al. 2020).

    The average is a Hann window of 3×3 samples, every second one in both directions, zeros outside.
    """

    def forward(self, samples: Tensor) -> Tensor:
        """Return shape ``(1, channels, ceil(height / 2), ceil(width / 2))`` for ``(1, channels, height, width)``."""
        window = torch.hann_window(5, periodic=False, dtype=torch.float64)[1:-1]
        window = (window[:, None] * window / window.sum() ** 2).to(samples)
        channels = samples.shape[1]
        kernel = window.expand(channels, 1, 3, 3)
        squares = nn.functional.conv2d(samples**2, kernel, stride=2, padding=1, groups=channels)
        return (squares + 1e-12).sqrt()


def alexnet(path: Path, metric: str) -> list[nn.Sequential]:
    """Return AlexNet's five stages, each up to the ReLU after a convolution (Krizhevsky 2014, torchvision's layout).

    Their features have 64, 192, 384, 256 and 256 channels.

    Parameters
    ----------
    path
        The file of torchvision's weights.
    metric
        For messages.

    Raises
    ------
    MetricUnavailableError
        When the file does not hold AlexNet's weights.
    """
    with torch.device("meta"):
        layers = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
        )
    return _stages(layers, (2, 5, 8, 10), path, metric)


def vgg16_l2(path: Path, metric: str) -> list[nn.Sequential]:
    """Return VGG16's five stages with L2 pooling, each up to the last ReLU before the next pooling.

    Their features have 64, 128, 256, 512 and 512 channels (Simonyan & Zisserman 2015, torchvision's layout).

    Parameters
    ----------
    path
        The file of torchvision's weights.
    metric
        For messages.

    Raises
    ------
    MetricUnavailableError
        When the file does not hold VGG16's weights.
    """
    layers: list[nn.Module] = []
    ends = []
    channels = 3
    with torch.device("meta"):
        for outputs, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            if layers:
                ends.append(len(layers))
                layers.append(L2Pooling())
            for _ in range(convolutions):
                layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ReLU(inplace=True)]
                channels = outputs
        return _stages(nn.Sequential(*layers), ends, path, metric)


def _stages(layers: nn.Sequential, ends: Sequence[int], path: Path, metric: str) -> list[nn.Sequential]:
    """Return the layers, cut at `ends`, with the weights that torchvision keeps under ``features``."""
    own = layers.state_dict()
    weights = read_weights(path, {f"features.{name}": value.shape for name, value in own.items()}, metric)
    layers.load_state_dict({name: weights[f"features.{name}"] for name in own}, assign=True)
    layers.requires_grad_(False)
    return [nn.Sequential(*list(layers)[start:end]) for start, end in pairwise((0, *ends, len(layers)))]
