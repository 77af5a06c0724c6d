"""Soft rounding with its slope."""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import Array, compiled, inlined
from isorate.codecs.overfitted.kernels.numerics import HALF, tanh


@inlined
def soft(y: np.float32, inverse: np.float32, size: np.float32) -> tuple[np.float32, np.float32]:
    floor = np.floor(y)
    t = tanh((y - floor - HALF) * inverse)
    return floor + t * size + HALF, (np.float32(1) - t * t) * size * inverse


@compiled
def soft_round(y: Array, noise: Array, out: Array, slope: Array, inverse: np.float32, size: np.float32) -> None:
    for p in range(y.size):
        first, a = soft(y[p], inverse, size)
        second, b = soft(first + noise[p], inverse, size)
        out[p] = second
        slope[p] = a * b
