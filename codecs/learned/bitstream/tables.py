"""The numeric tables that a weights file carries, so that no machine computes a transcendental function to decode.

Each is made once, at export, and read from the file by encoder and decoder.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from isorate.codecs.learned.bitstream.knobs import BIN_CODES, BIN_OCTAVES, BIN_STEPS
from isorate.codecs.learned.model.density import MEAN_LEVELS, SCALE_COUNT, bin_likelihood, scale_table

PRECISION = 24
"""Bits of a probability: the frequencies of each table sum to 2^24, what constriction's coders work with."""
BIN_BITS = 12
"""Fractional bits of Δ."""
RECIPROCAL_BITS = 20
"""Fractional bits of 1/Δ."""
SOFTPLUS_END = 16
"""The softplus table covers [-16, 16]; below it is zero, above it the identity."""
SOFTPLUS_INPUT_BITS = 8
SOFTPLUS_OUTPUT_BITS = 16
TAIL_SIGMAS = 7.5
COARSER_MEANS = ((2.0, 2), (8.0, 4))
"""From a scale of 2 on the mean's two lowest bits are dropped, from 8 on all four: below 0.001 bits a symbol."""
ESCAPE_FREQUENCY = 16


def bin_sizes() -> NDArray[np.int32]:
    """Return Δ for every code in units of 2^-12: (1025,)."""
    codes = np.arange(BIN_CODES) / BIN_STEPS - BIN_OCTAVES
    return np.round(2.0 ** (codes + BIN_BITS)).astype(np.int32)


def reciprocals() -> NDArray[np.int32]:
    """Return 1/Δ for every code in units of 2^-20: (1025,)."""
    return np.round(2.0 ** (BIN_BITS + RECIPROCAL_BITS) / bin_sizes()).astype(np.int32)


def softplus() -> NDArray[np.int32]:
    """Return log(1 + e^t) at t = -16, -16 + 1/256, ..., 16 in units of 2^-16: (8193,)."""
    steps = SOFTPLUS_END << SOFTPLUS_INPUT_BITS
    values = np.logaddexp(0, np.arange(-steps, steps + 1) / (1 << SOFTPLUS_INPUT_BITS))
    found: NDArray[np.int32] = np.round(values * (1 << SOFTPLUS_OUTPUT_BITS)).astype(np.int32)
    return found


def dropped_bits() -> NDArray[np.int32]:
    """Return how many of the four fractional bits of the mean each scale index ignores: (64,)."""
    return np.array(
        [max((bits for at, bits in COARSER_MEANS if scale >= at), default=0) for scale in _scales()], np.int32
    )


def probability_tables() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return the integer probabilities of the mixture on whole numbers, for 64 scales and 16 fractions of the mean.

    Returns
    -------
    frequencies
        All tables one after the other. Within one: the whole numbers from `lowest` up, then the escape. Each entry
        is at least 1 and each table sums to 2^24.
    counts
        Entries of each table, escape included: (1024,), scale-major; 0 where the fraction is never used.
    lowest
        The first whole number of each table, relative to floor(mean): (1024,).
    """
    tables = []
    counts, lowest = np.zeros((2, SCALE_COUNT * MEAN_LEVELS), np.int32)
    for index, (scale, dropped) in enumerate(zip(_scales(), dropped_bits(), strict=True)):
        for level in range(0, MEAN_LEVELS, 1 << dropped):
            fraction = level / MEAN_LEVELS
            reach = math.ceil(TAIL_SIGMAS * scale) + 1
            numbers = np.arange(math.floor(fraction - reach), math.ceil(fraction + reach) + 1)
            tables.append(_frequencies(numbers - fraction, float(scale)))
            counts[index * MEAN_LEVELS + level] = len(tables[-1])
            lowest[index * MEAN_LEVELS + level] = numbers[0]
    return np.concatenate(tables).astype(np.int32), counts, lowest


def all_tables() -> dict[str, NDArray[np.int32]]:
    """Return every table by the name that it has in a weights file."""
    frequencies, counts, lowest = probability_tables()
    return {
        "bin_size": bin_sizes(),
        "reciprocal": reciprocals(),
        "softplus": softplus(),
        "dropped_bits": dropped_bits(),
        "frequencies": frequencies,
        "counts": counts,
        "lowest": lowest,
    }


def _scales() -> NDArray[np.float64]:
    scales: NDArray[np.float64] = scale_table().numpy()
    return scales


def _frequencies(distance: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """Return the frequencies of the bins centred at `distance` from the mean, and of the escape."""
    log2_scale = torch.tensor(math.log2(scale), dtype=torch.float64)
    mass = bin_likelihood(torch.from_numpy(distance), torch.zeros_like(log2_scale), log2_scale).numpy()
    free = 2**PRECISION - ESCAPE_FREQUENCY
    frequencies = 1 + np.round(mass / mass.sum() * (free - len(mass))).astype(np.int64)
    frequencies[np.argmax(frequencies)] += free - frequencies.sum()
    return np.append(frequencies, ESCAPE_FREQUENCY)
