"""Soft rounding with its slope."""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import compiled, inlined
from isorate.codecs.overfitted.kernels.numerics import HALF, tanh


@inlined
def soft(y, inverse, size):
    floor = np.floor(y)
    t = tanh((y - floor - HALF) * inverse)
    return floor + t * size + HALF, (np.float32(1) - t * t) * size * inverse


@compiled
def soft_round(y, noise, out, slope, inverse, size):
    for p in range(y.size):
        first, a = soft(y[p], inverse, size)
        second, b = soft(first + noise[p], inverse, size)
        out[p] = second
        slope[p] = a * b
