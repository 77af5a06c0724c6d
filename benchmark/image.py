"""The image type and the largest image, below codecs, data sets and everything else."""

import hashlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""An image: shape ``(height, width, 3)``, dtype uint8, sRGB, 0..255."""

MAX_PIXELS = 2**28
"""The largest picture that is read, coded or decoded, whatever the format; its samples take 805 MB."""


def array_problem(value: object) -> str:
    """Return why `value`, which a decoder or a script gave, is no image, or nothing.

    Other kinds of arrays must not pass: files of their pixels would be written and measured as something else.
    """
    if not isinstance(value, np.ndarray):
        return f"{type(value).__name__}: an array of shape (height, width, 3), uint8, is needed"
    if value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] != 3 or not value.size:
        return f"an array of shape {value.shape}, {value.dtype}: (height, width, 3), uint8, is needed"
    return ""


def pixels_sha256(pixels: Image) -> str:
    """Return the SHA-256 of the shape and the samples: equal for equal pictures, whatever file they came in."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def frozen(image: Image) -> Image:
    """Return a copy of `image` that nobody can write to: a codec must not change what it is compared with."""
    copy: Image = np.frombuffer(image.tobytes(), np.uint8).reshape(image.shape)
    return copy


def size_problem(width: int, height: int) -> str:
    """Return why a picture of this size is refused, or nothing."""
    if width * height <= MAX_PIXELS:
        return ""
    return f"{width}×{height} exceeds isorate's limit of {MAX_PIXELS} pixels (2^28) a picture"
