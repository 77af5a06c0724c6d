"""Golden streams, to be renewed with the format.

A folder of golden streams holds files fitted briefly to crops of scikit-image's photographs, the pictures that they
decode to, and ``golden.json`` with the CRC-32 of each one's parameters and latents. Decoding on any machine must give
these numbers, and these pixels but for one level.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from skimage import data as photographs

from isorate.codecs.golden import INDEX, read_index, replace_files
from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.codec import OverfittedCodec
from isorate.errors import BitstreamError
from isorate.files.plain import LARGEST_PICTURE, read_plain
from isorate.pictures.files import save_picture

CASES = (
    ("astronaut", (20, 116, 130, 258), 0.5, 120),
    ("coffee", (100, 177, 150, 219), 1.5, 80),
    ("chelsea", (100, 140, 100, 101), 3.0, 10),
)
"""Photograph, crop (top, bottom, left, right), bpp, steps."""


def make_golden(folder: Path) -> None:
    """Replace the golden streams and pictures in `folder`, those that its index names.

    Raises
    ------
    UsageError
        When the folder's index is something else.
    """
    names = _index(folder) if (folder / INDEX).exists() else {}
    earlier = [f"{name}{ending}" for name in names for ending in (".ofi", ".png")]
    files: dict[str, bytes] = {}
    index: dict[str, int] = {}
    for photograph, (top, bottom, left, right), bpp, steps in CASES:
        image = np.ascontiguousarray(getattr(photographs, photograph)()[top:bottom, left:right])
        codec = OverfittedCodec(steps=steps, threads=1)
        data = codec.encode(image, bpp)
        name = f"{photograph}_{right - left}x{bottom - top}"
        files |= {f"{name}.ofi": data, f"{name}.png": save_picture(codec.decode(data), "PNG")}
        index[name] = stream.read(data).crc
    replace_files(folder, earlier, files, index)


def failures(folder: Path) -> list[str]:
    """Return what is wrong with the golden streams in `folder` as this machine reads them; empty if nothing.

    Raises
    ------
    UsageError
        When the folder holds no index of golden streams.
    """
    found = []
    for name, crc in _index(folder).items():
        try:
            data, picture = (read_plain(folder / f"{name}{ending}", LARGEST_PICTURE) for ending in (".ofi", ".png"))
            content = stream.read(data)
            pixels = np.asarray(PillowImage.open(io.BytesIO(picture))).astype(int)
        except (OSError, BitstreamError) as error:
            found.append(f"{name}: cannot be read: {error}")
            continue
        if content.crc != crc:
            found.append(f"{name}: decodes to other latents")
        if stream.write(content) != data:
            found.append(f"{name}: its latents encode to other bytes")
        if np.abs(OverfittedCodec().decode(data) - pixels).max() > 1:
            found.append(f"{name}: decodes to another picture")
    return found


def _index(folder: Path) -> dict[str, int]:
    return read_index(folder, dict[str, int], lambda index: index)
