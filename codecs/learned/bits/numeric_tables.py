"""The numeric tables that a weights file carries, so that no machine computes a transcendental function to decode.

Each is made once, at export, and read from the file by encoder and decoder.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from isorate.codecs.learned.bits.knob_codes import BIN_CODES, BIN_OCTAVES, BIN_STEPS
from isorate.codecs.learned.gaussian import LOWEST_OCTAVE, MEAN_LEVELS, OCTAVES_PER_STEP, SCALE_COUNT

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
TAIL_SIGMAS = 5.0
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
    t = np.arange(-SOFTPLUS_END << SOFTPLUS_INPUT_BITS, (SOFTPLUS_END << SOFTPLUS_INPUT_BITS) + 1) / 2**SOFTPLUS_INPUT_BITS
    return np.round(np.logaddexp(0, t) * 2**SOFTPLUS_OUTPUT_BITS).astype(np.int32)


def gaussian_tables() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return the integer probabilities of a Gaussian on whole numbers, for 64 scales and 16 fractions of the mean.

    Returns
    -------
    frequencies
        All tables one after the other. Within one: the whole numbers from `lowest` up, then the escape. Each entry
        is at least 1 and each table sums to 2^24.
    counts
        Entries of each table, escape included: (1024,), scale-major.
    lowest
        The first whole number of each table, relative to floor(mean): (1024,).
    """
    tables, lowest = [], []
    for scale in 2.0 ** (LOWEST_OCTAVE + OCTAVES_PER_STEP * np.arange(SCALE_COUNT)):
        for fraction in np.arange(MEAN_LEVELS) / MEAN_LEVELS:
            reach = np.ceil(TAIL_SIGMAS * scale) + 1
            numbers = np.arange(np.floor(fraction - reach), np.ceil(fraction + reach) + 1)
            tables.append(_frequencies(numbers - fraction, float(scale)))
            lowest.append(int(numbers[0]))
    counts = np.array([len(table) for table in tables], np.int32)
    return np.concatenate(tables).astype(np.int32), counts, np.array(lowest, np.int32)


def _frequencies(distance: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """Return the frequencies of the bins centred at `distance` from the mean, and of the escape."""
    near, far = (np.abs(distance) - 0.5) / (scale * np.sqrt(2)), (np.abs(distance) + 0.5) / (scale * np.sqrt(2))
    mass = (erfc(near) - erfc(far)) / 2
    free = 2**PRECISION - ESCAPE_FREQUENCY
    frequencies = np.maximum(np.round(mass / mass.sum() * free), 1).astype(np.int64)
    frequencies[np.argmax(frequencies)] += free - frequencies.sum()
    return np.append(frequencies, ESCAPE_FREQUENCY)
