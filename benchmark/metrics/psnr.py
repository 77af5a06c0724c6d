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
    if np.array_equal(reference, decoded):
        return math.inf
    from skimage.metrics import peak_signal_noise_ratio

    return float(peak_signal_noise_ratio(reference, decoded, data_range=255))
