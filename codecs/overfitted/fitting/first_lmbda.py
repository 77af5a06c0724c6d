"""Where λ begins for a size: by what the picture would cost in a plain transform code.

Blocks of 16 × 16 are transformed (DCT-II) and quantized with one step Δ; each coefficient's place is charged its own
entropy. At the Δ that gives the wanted rate, the slope of D is about a multiple of Δ².
"""

import numpy as np
from numpy.typing import NDArray

from isorate.image import Image

SIDE = 16
PER_SQUARED_STEP = 0.02
"""λ over Δ²: fits of 1000 steps on the validation pack ended at 0.005 (smooth pictures) to 0.1 (fine texture)."""
OPPONENTS = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]]) / np.sqrt([[3], [2], [6]])
"""Grey and two colour differences, orthonormal."""
ROUNDING = 0.33
"""Added before levels are cut off: most encoders round down more often than up."""
FINEST, COARSEST, HALVINGS = 1e-3, 4.0, 12
MOST_BLOCKS = 4096
"""Of larger pictures every n-th block is looked at."""


def first_lmbda(image: Image, bpp: float) -> float:
    """Return a λ of D + λR, with D the squared error of colours in 0..1 and R in bits per pixel, for a rate.

    Parameters
    ----------
    image
        (height, width, 3), uint8.
    bpp
        The rate in bits per pixel.
    """
    coefficients = _coefficients(image)
    pixels = len(coefficients) * SIDE**2
    low, high = FINEST, COARSEST
    for _ in range(HALVINGS):
        step = float(np.sqrt(low * high))
        if _entropy(coefficients, step) > bpp * pixels:
            low = step
        else:
            high = step
    return PER_SQUARED_STEP * low * high


def _coefficients(image: Image) -> NDArray[np.float32]:
    """Return the transformed blocks, (blocks, 3 · 16 · 16)."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % SIDE), (0, -width % SIDE), (0, 0)), "edge")
    rows, columns = padded.shape[0] // SIDE, padded.shape[1] // SIDE
    every = padded.reshape(rows, SIDE, columns, SIDE, 3).transpose(0, 2, 1, 3, 4).reshape(-1, SIDE, SIDE, 3)
    blocks = every[:: -(-len(every) // MOST_BLOCKS)].astype(np.float32) / 255
    place = np.arange(SIDE)
    dct = np.cos(np.pi * (2 * place + 1) * place[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    dct[0] /= np.sqrt(2)
    matrix = dct.astype(np.float32)
    opponents = (blocks @ OPPONENTS.T.astype(np.float32)).transpose(0, 3, 1, 2)
    found: NDArray[np.float32] = (matrix @ opponents @ matrix.T).reshape(len(blocks), -1)
    return found


def _entropy(coefficients: NDArray[np.float32], step: float) -> float:
    """Return the bits of quantized coefficients, each place's by its own frequencies."""
    levels = (np.sign(coefficients) * np.floor(np.abs(coefficients) / step + ROUNDING)).astype(np.int64)
    places = levels.shape[1]
    lowest, span = levels.min(), int(levels.max() - levels.min()) + 1
    _, counts = np.unique((levels - lowest) + span * np.arange(places), return_counts=True)
    total = len(levels)
    return float(places * total * np.log2(total) - (counts * np.log2(counts)).sum())
