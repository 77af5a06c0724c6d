"""Golden streams, to be renewed with the weights.

A folder of golden streams holds a few files made from crops of scikit-image's photographs, and ``golden.json`` with
the SHA-256 of each one's integer latents. Decoding on any machine must give these latents; coding them must give these
bytes.
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from skimage import data as photographs

from isorate.codecs.golden import INDEX, read_index, replace_files
from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.latents import Latents
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder, read_stream, write_stream
from isorate.errors import BitstreamError
from isorate.files.plain import LARGEST_PICTURE, read_plain


@dataclass(frozen=True, slots=True)
class Case:
    """A crop of a photograph of scikit-image, ``photograph[top:bottom, left:right]``, and the knobs."""

    photograph: str
    crop: tuple[int, int, int, int]
    lmbda: float
    bin_size: float

    @property
    def name(self) -> str:
        """The stream's file name without its ending."""
        height, width = self.crop[1] - self.crop[0], self.crop[3] - self.crop[2]
        return f"{self.photograph}_{width}x{height}_{self.lmbda:g}_{self.bin_size:g}"


CASES = (
    Case("astronaut", (20, 195, 130, 321), 0.02, 1.0),
    Case("coffee", (100, 292, 150, 342), 0.004, 0.8),
    Case("chelsea", (60, 257, 100, 229), 0.0009, 1.3),
    Case("chelsea", (100, 165, 100, 101), 0.0001, 0.5),
    Case("coffee", (7, 8, 7, 8), 0.0316, 2.0),
)


def latents_digest(latents: Latents) -> str:
    """Return the SHA-256 of w, then z, as little-endian 16-bit integers in reading order."""
    sha = hashlib.sha256(latents.w.astype("<i2").tobytes())
    sha.update(latents.z.astype("<i2").tobytes())
    return sha.hexdigest()


@dataclass(frozen=True, slots=True)
class Index:
    """What ``golden.json`` holds: the weights' digest, and of each stream, by name, that of its latents."""

    weights: str
    latents: dict[str, str]


def _index(folder: Path) -> Index:
    return read_index(folder, Index, lambda index: index.latents)


def make_golden(network: Network, folder: Path) -> None:
    """Replace the golden streams in `folder`, those that its index names, by those of `network`.

    Raises
    ------
    UsageError
        When the folder's index is something else.
    """
    earlier = [f"{name}.iso" for name in _index(folder).latents] if (folder / INDEX).exists() else []
    streams, digests = {}, {}
    with torch.inference_mode():
        for case in CASES:
            top, bottom, left, right = case.crop
            image = np.ascontiguousarray(getattr(photographs, case.photograph)()[top:bottom, left:right])
            codes = KnobCodes.nearest(case.lmbda, case.bin_size, network.config.knots)
            coded = PictureEncoder(network, image).code(codes)
            streams[f"{case.name}.iso"] = coded.data
            digests[case.name] = latents_digest(coded.latents)
    replace_files(folder, earlier, streams, asdict(Index(network.weights.digest, digests)))


def failures(network: Network, folder: Path) -> list[str]:
    """Return what is wrong with the golden streams in `folder` as `network` reads and writes them; empty if nothing.

    Raises
    ------
    UsageError
        When the folder holds no index of golden streams.
    """
    index = _index(folder)
    if index.weights != network.weights.digest:
        return [f"{folder}: made by other weights; renew them"]
    found = []
    with torch.inference_mode():
        for name, digest in index.latents.items():
            try:
                stream = read_plain(folder / f"{name}.iso", LARGEST_PICTURE)
                header, latents, _ = read_stream(network, stream)
            except (OSError, BitstreamError) as error:
                found.append(f"{name}: cannot be read: {error}")
                continue
            if latents_digest(latents) != digest:
                found.append(f"{name}: decodes to other latents")
            if write_stream(network, latents, header.codes, header.height, header.width) != stream:
                found.append(f"{name}: its latents encode to other bytes")
    return found
