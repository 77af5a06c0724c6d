"""Photographs that lie on the device at a few scales, so that a batch of crops is one gather.

Threads that cut and scale crops do not keep a GPU busy, and delay the thread that launches its work.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from isorate.codecs.learned.training.data import Pack
from isorate.errors import DatasetError

SCALES = 6
"""Versions of each photograph, evenly spaced in the logarithm of their scale."""


class ResidentPhotographs:
    """A pack's photographs on a device, each at :data:`SCALES` scales, downscaled bicubically.

    Parameters
    ----------
    path
        The pack.
    smallest_scale
        Of the smallest version; the largest one is the photograph itself.
    device
        Where they lie: 10 bytes for each of the pack's pixels where `smallest_scale` is 1/2.

    Attributes
    ----------
    pixels
        Of all versions, row by row: (pixels, 3), uint8.
    photographs, offsets, heights, widths
        Of each version: whose it is, its first pixel, and its size.
    """

    def __init__(self, path: Path, smallest_scale: float, device: torch.device) -> None:
        pack = Pack(path)
        self.path = path
        scales = smallest_scale ** (np.arange(SCALES) / (SCALES - 1))
        versions = [
            (index, *size)
            for index in range(len(pack))
            for size in dict.fromkeys((round(pack.heights[index] * s), round(pack.widths[index] * s)) for s in scales)
        ]
        self.photographs, self.heights, self.widths = np.array(versions, dtype=np.int64).T
        ends = np.cumsum(self.heights * self.widths)
        self.offsets = ends - self.heights * self.widths
        self.pixels = torch.empty(int(ends[-1]), 3, dtype=torch.uint8, device=device)
        for (index, height, width), start in zip(versions, self.offsets.tolist(), strict=True):
            if (height, width) == (pack.heights[index], pack.widths[index]):
                photograph = torch.from_numpy(np.array(pack.image(index))).to(device)
            self.pixels[start : start + height * width] = _scaled(photograph, height, width).view(-1, 3)


def _scaled(photograph: Tensor, height: int, width: int) -> Tensor:
    """Return `photograph` (height, width, 3), uint8, at another size."""
    if photograph.shape[:2] == (height, width):
        return photograph
    planes = photograph.permute(2, 0, 1)[None].float()
    planes = functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)
    return planes[0].permute(1, 2, 0).round().clamp(0, 255).byte()


@lru_cache(maxsize=1)
def resident_photographs(path: Path, smallest_scale: float, device: torch.device) -> ResidentPhotographs:
    """Return the photographs of the pack at `path` on `device`; those asked for last stay for the next run."""
    return ResidentPhotographs(path, smallest_scale, device)


class ResidentSampler:
    """Random crops of resident photographs, flipped and transposed; seed and step tell what a step sees.

    Parameters
    ----------
    photographs
        Where the crops are from; those that no crop fits into take no part.
    size
        Side of a crop, pixels.
    seed
        Of the whole run.

    Raises
    ------
    DatasetError
        When no photograph is large enough.
    """

    def __init__(self, photographs: ResidentPhotographs, size: int, seed: int) -> None:
        self.photographs = photographs
        self.size = size
        self.seed = seed
        of, heights, widths = photographs.photographs, photographs.heights, photographs.widths
        self._fitting = np.flatnonzero(np.minimum(heights, widths) >= size)
        if not len(self._fitting):
            raise DatasetError(f"{photographs.path}: no photograph has {size} pixels a side, which a crop needs")
        # A photograph is drawn by its area, as CropSampler does it, and then any of its versions.
        areas = np.zeros(of.max() + 1)
        np.maximum.at(areas, of, heights * widths)
        share = (areas / np.maximum(1, np.bincount(of[self._fitting], minlength=len(areas))))[of[self._fitting]]
        self._cumulative = np.cumsum(share) / share.sum()

    def batch(self, step: int, count: int, rank: int = 0, ranks: int = 1) -> Tensor:
        """Return the batch of `step` for one of `ranks` processes, on the device: (count, size, size, 3)."""
        rng = np.random.default_rng((self.seed, step * ranks + rank))
        drawn = np.searchsorted(self._cumulative, rng.random(count), side="right")
        version = self._fitting[np.minimum(drawn, len(self._fitting) - 1)]
        width, last = self.photographs.widths[version], self.size - 1
        top = rng.integers(self.photographs.heights[version] - last)
        left = rng.integers(width - last)
        upwards, leftwards, transposed = rng.integers(2, size=(3, count)) > 0
        top, down = np.where(upwards, top + last, top), np.where(upwards, -width, width)
        left, right = np.where(leftwards, left + last, left), np.where(leftwards, -1, 1)
        first = self.photographs.offsets[version] + top * width + left
        steps = np.where(transposed, right, down), np.where(transposed, down, right)
        return self._gather(torch.from_numpy(np.stack([first, *steps])))

    def _gather(self, walks: Tensor) -> Tensor:
        """Return the pixels that are met from the first of `walks`, (3, count), in steps of a row and of a column."""
        pixels = self.photographs.pixels
        if pixels.is_cuda:
            walks = walks.pin_memory()
        first, row, column = walks.to(pixels.device, non_blocking=True)[..., None, None]
        along = torch.arange(self.size, device=pixels.device)
        return pixels[first + row * along[:, None] + column * along]
