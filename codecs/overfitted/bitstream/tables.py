"""Stored probabilities of rounded Laplace densities: no machine computes an exponential to decode.

A latent's density is chosen by the index of its scale, b = exp(i / 8 - 5), and the fraction of its mean. Scales up to
e^0.5 have narrow tables, 32 whole numbers around the mean and 16 fractions; wider ones 256 and 4. The last entry of
each table is the escape.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

PRECISION = 24
"""The frequencies of a table sum to 2^24."""
SCALES = 81
SCALES_PER_UNIT = 8
LOWEST_LOG_SCALE = -5
NARROW_SCALES = 45
ESCAPE_FREQUENCY = 16
PATH = Path(__file__).with_name("laplace.safetensors")


@dataclass(frozen=True, slots=True)
class Width:
    """One of the two kinds of tables.

    Attributes
    ----------
    fraction_bits
        Bits of the mean's fraction.
    below, above
        The whole numbers of a table: from floor(mean) - below to floor(mean) + above.
    scales
        The scale indices that have such tables.
    """

    fraction_bits: int
    below: int
    above: int
    scales: range

    @property
    def escape(self) -> int:
        """The escape's entry."""
        return self.below + self.above + 1


NARROW = Width(4, 15, 16, range(NARROW_SCALES))
WIDE = Width(2, 127, 128, range(NARROW_SCALES, SCALES))
WIDTHS = (NARROW, WIDE)


def compute(width: Width) -> NDArray[np.int32]:
    """Return the frequencies of all tables of `width`, scale by scale: (scales · fractions, entries)."""
    tables = []
    for scale in np.exp(np.array(width.scales) / SCALES_PER_UNIT + LOWEST_LOG_SCALE):
        for fraction in np.arange(1 << width.fraction_bits) / (1 << width.fraction_bits):
            edges = (np.arange(-width.below, width.above + 2) - 0.5 - fraction) / scale
            tail = 0.5 * np.exp(-np.abs(edges))
            mass = np.where(edges[:-1] * edges[1:] < 0, 1 - tail[:-1] - tail[1:], np.abs(np.diff(tail)))
            free = (1 << PRECISION) - ESCAPE_FREQUENCY
            frequencies = 1 + np.round(mass / mass.sum() * (free - len(mass))).astype(np.int64)
            frequencies[np.argmax(frequencies)] += free - frequencies.sum()
            tables.append(np.append(frequencies, ESCAPE_FREQUENCY))
    return np.array(tables, np.int32)


@cache
def frequencies() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the stored frequencies of the narrow and of the wide tables, as :func:`compute` made them.

    Raises
    ------
    ValueError
        When a table does not sum to 2^24 or has an entry below 1.
    """
    stored = load_file(PATH)
    found = stored["narrow"], stored["wide"]
    if any((table.sum(1) != 1 << PRECISION).any() or table.min() < 1 for table in found):
        raise ValueError(f"{PATH}: the frequencies do not sum to 2^24")
    return found
