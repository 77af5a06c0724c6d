"""Bits per pixel."""

from isorate.image import Image


def bpp(num_bytes: float, image: Image) -> float:
    """Return bits per pixel of a file of `num_bytes`, every byte counted."""
    height, width = image.shape[:2]
    return float(8 * num_bytes / (height * width))
