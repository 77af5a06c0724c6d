"""Crops from a pack of decoded photographs: which crop a step sees depends on the seed and the step alone.

Because nothing is remembered between steps, a resumed run sees the very crops that the killed one would have seen.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from PIL import Image as PillowImage

from isorate.errors import DatasetError
from isorate.files.plain import LARGEST_TEXT, read_plain
from isorate.files.typed_json import fit

PACK_VERSION = 1
_Row = tuple[str, Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]]
_Rows = Annotated[list[_Row], Meta(min_length=1)]


def pack_files(path: Path) -> tuple[Path, Path]:
    """Return where the pixels and the index of the pack at `path` are.

    Older packs have the endings in the place of what follows the last point of `path`, and are read there.
    """
    return path.with_name(f"{path.name}.bin"), path.with_name(f"{path.name}.json")


class Pack:
    """Photographs decoded once into a raw memory map (``NAME.bin``) and its index (``NAME.json``).

    Attributes
    ----------
    names, offsets, heights, widths
        The index: name, first byte, and size of each photograph; pixels are RGB uint8, row by row.

    Raises
    ------
    DatasetError
        When the pack is missing, damaged or of another version.
    """

    def __init__(self, path: Path) -> None:
        pixels, index = pack_files(path)
        earlier = path.with_suffix(".json")
        if not index.exists() and earlier.exists():
            pixels, index = path.with_suffix(".bin"), earlier
        rows = _read_index(index)
        self.names, self.offsets, self.heights, self.widths = map(list, zip(*rows, strict=True))
        expected = max(start + height * width * 3 for _, start, height, width in rows)
        try:
            if (found := pixels.stat().st_size) != expected:
                raise DatasetError(f"{pixels} has {found} bytes, where {index} names {expected}: pack again")
            self._pixels = np.memmap(pixels, dtype=np.uint8, mode="r")
        except OSError as error:
            raise DatasetError(f"{pixels} cannot be read: {error.strerror}: pack again") from None

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return photograph `index`, (height, width, 3), a view into the map."""
        height, width, start = self.heights[index], self.widths[index], self.offsets[index]
        return self._pixels[start : start + height * width * 3].reshape(height, width, 3)


def _read_index(path: Path) -> list[_Row]:
    """Return name, first byte, height and width of each photograph; names need not be UTF-8, as files' names."""
    try:
        table = fit(json.loads(read_plain(path, LARGEST_TEXT)), dict[str, Any])
        if (version := table.get("version")) != PACK_VERSION:
            raise DatasetError(f"{path} is of version {version}, not {PACK_VERSION}: pack again")
        return fit(table.get("images"), _Rows)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing: pack the photographs first (isorate learned pack)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is damaged ({error}): pack again") from None


class CropSampler:
    """Random crops, scaled, flipped and transposed.

    Parameters
    ----------
    pack
        The photographs.
    size
        Side of a crop, pixels.
    smallest_scale
        Crops are downscaled by a factor drawn log-uniformly from [smallest_scale, 1].
    seed
        Of the whole run.
    """

    def __init__(self, pack: Pack, size: int, smallest_scale: float, seed: int) -> None:
        self.pack = pack
        self.size = size
        self.smallest_scale = smallest_scale
        self.seed = seed
        areas = np.array(pack.heights, dtype=np.float64) * np.array(pack.widths)
        self._cumulative = np.cumsum(areas) / areas.sum()

    def crop(self, number: int) -> NDArray[np.uint8]:
        """Return the crop of that number in the endless sequence, (size, size, 3)."""
        rng = np.random.default_rng((self.seed, number))
        index = min(int(np.searchsorted(self._cumulative, rng.random())), len(self.pack) - 1)
        image = self.pack.image(index)
        height, width = image.shape[:2]
        scale = float(np.exp(rng.uniform(np.log(self.smallest_scale), 0.0)))
        side = min(round(self.size / scale), height, width)
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        patch = np.ascontiguousarray(image[top : top + side, left : left + side])
        if side != self.size:
            square = (self.size, self.size)
            patch = np.asarray(PillowImage.fromarray(patch).resize(square, PillowImage.Resampling.BICUBIC))
        flips = rng.integers(8)
        patch = patch[::-1] if flips & 1 else patch
        patch = patch[:, ::-1] if flips & 2 else patch
        return np.ascontiguousarray(patch.transpose(1, 0, 2) if flips & 4 else patch)

    def batch(self, step: int, size: int, rank: int = 0, ranks: int = 1) -> NDArray[np.uint8]:
        """Return the batch of `step` for one of `ranks` processes: (size, height, width, 3)."""
        first = (step * ranks + rank) * size
        return np.stack([self.crop(first + i) for i in range(size)])
