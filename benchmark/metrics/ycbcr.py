"""Y, Cb and Cr of an image for metrics: BT.601, full range, real numbers that nothing rounds."""

import numpy as np
from numpy.typing import NDArray

from isorate.image import Image

BT601 = np.array([[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]])


def ycbcr(image: Image) -> NDArray[np.float64]:
    """Return shape ``(height, width, 3)``: Y in 0..255, Cb and Cr in -127.5..127.5."""
    found: NDArray[np.float64] = image.astype(np.float64) @ BT601.T
    return found
