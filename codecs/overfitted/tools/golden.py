"""Golden streams, to be renewed with the format.

A folder of golden streams holds files fitted briefly to crops of scikit-image's photographs, the pictures that they
decode to, and ``golden.json`` with the CRC-32 of each one's parameters and latents. Decoding on any machine must give
these numbers, and these pixels but for one level.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from skimage import data as photographs

from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.codec import OverfittedCodec

INDEX = "golden.json"
CASES = (
    ("astronaut", (20, 116, 130, 258), 0.5, 120),
    ("coffee", (100, 177, 150, 219), 1.5, 80),
    ("chelsea", (100, 140, 100, 101), 3.0, 10),
)
"""Photograph, crop (top, bottom, left, right), bpp, steps."""


def make_golden(folder: Path) -> None:
    """Replace the golden streams in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.ofi"), *folder.glob("*.png")):
        old.unlink()
    index = {}
    for photograph, (top, bottom, left, right), bpp, steps in CASES:
        image = np.ascontiguousarray(getattr(photographs, photograph)()[top:bottom, left:right])
        codec = OverfittedCodec(steps=steps, threads=1)
        data = codec.encode(image, bpp)
        name = f"{photograph}_{right - left}x{bottom - top}"
        (folder / f"{name}.ofi").write_bytes(data)
        PillowImage.fromarray(codec.decode(data)).save(folder / f"{name}.png")
        index[name] = stream.read(data).crc
    (folder / INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def failures(folder: Path) -> list[str]:
    """Return what is wrong with the golden streams in `folder` as this machine reads them; empty if nothing."""
    found = []
    for name, crc in json.loads((folder / INDEX).read_text(encoding="utf-8")).items():
        data = (folder / f"{name}.ofi").read_bytes()
        content = stream.read(data)
        if content.crc != crc:
            found.append(f"{name}: decodes to other latents")
        if stream.write(content) != data:
            found.append(f"{name}: its latents encode to other bytes")
        pixels = np.asarray(PillowImage.open(folder / f"{name}.png")).astype(int)
        if np.abs(OverfittedCodec().decode(data) - pixels).max() > 1:
            found.append(f"{name}: decodes to another picture")
    return found
