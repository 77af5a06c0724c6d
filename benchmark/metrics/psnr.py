"""PSNR, between 8-bit RGB images, the second one decoded from the file."""

import math

import numpy as np

from isorate.image import Image
from isorate.metrics.shapes import same_shape


def psnr(reference: Image, decoded: Image) -> float:
    """Return the peak signal-to-noise ratio in dB over all samples of the RGB image, peak 255.

    Identical images give ``inf``.

    Parameters
    ----------
    reference, decoded
        Shape ``(height, width, 3)``, dtype uint8.

    Raises
    ------
    ImageError
        When the shapes differ.
    """
    same_shape(reference, decoded)
    # Not scikit-image's: that loads scipy.stats, a second in every process. The values are the same to the last bit.
    squares = np.subtract(reference, decoded, dtype=np.int32)
    squares *= squares
    return float(10 * np.log10(255**2 / squares.mean())) if squares.any() else math.inf
