"""λ and Δ as a stream carries them: integers, from which both sides derive everything exactly.

λ is a position among the model's knots, in 1/1024 of the way from one knot to the next (linear in log λ); its hat
weights are then whole numbers of 1/1024. Δ is a whole number of 1/512 octaves.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LMBDA_STEPS = 1024
"""Positions from one knot of λ to the next."""
BIN_STEPS = 512
"""Positions in an octave of Δ."""
BIN_OCTAVES = 1
"""Δ lies in [2^-BIN_OCTAVES, 2^BIN_OCTAVES]."""
BIN_CODES = 2 * BIN_OCTAVES * BIN_STEPS + 1


@dataclass(frozen=True, slots=True)
class KnobCodes:
    """The two knobs of a stream.

    Attributes
    ----------
    lmbda
        0 .. 1024·(K-1): the position of λ among the K knots, descending in λ.
    bin_size
        0 .. 1024: log2 Δ = bin_size / 512 - 1.
    """

    lmbda: int
    bin_size: int

    @classmethod
    def nearest(cls, lmbda: float, bin_size: float, knots: Sequence[float]) -> "KnobCodes":
        """Return the codes nearest to λ = `lmbda` and Δ = `bin_size`; `knots` are log10 λ, descending."""
        return cls(_lmbda_code(lmbda, knots), _bin_code(bin_size))

    def hat(self, count: int) -> NDArray[np.int64]:
        """Return h(λ) over `count` knots in units of 1/1024: (count,), the sum is 1024."""
        weights = np.zeros(count, np.int64)
        left, fraction = divmod(self.lmbda, LMBDA_STEPS)
        weights[left] = LMBDA_STEPS - fraction
        if fraction:
            weights[left + 1] = fraction
        return weights

    @property
    def log2_bin(self) -> int:
        """log2 Δ in units of 1/512."""
        return self.bin_size - BIN_OCTAVES * BIN_STEPS

    def values(self, knots: Sequence[float]) -> tuple[float, float]:
        """Return (λ, Δ) as numbers to show, not to compute with."""
        left, fraction = divmod(self.lmbda, LMBDA_STEPS)
        log10_lmbda = knots[left]
        if fraction:
            log10_lmbda += (knots[left + 1] - knots[left]) * fraction / LMBDA_STEPS
        return 10.0**log10_lmbda, 2.0 ** (self.log2_bin / BIN_STEPS)


def _lmbda_code(lmbda: float, knots: Sequence[float]) -> int:
    place = math.log10(lmbda)
    if place >= knots[0]:
        return 0
    if place <= knots[-1]:
        return LMBDA_STEPS * (len(knots) - 1)
    left = bisect.bisect_left([-knot for knot in knots], -place) - 1
    share = (knots[left] - place) / (knots[left] - knots[left + 1])
    return left * LMBDA_STEPS + round(share * LMBDA_STEPS)


def _bin_code(bin_size: float) -> int:
    code = round((math.log2(bin_size) + BIN_OCTAVES) * BIN_STEPS)
    return min(max(code, 0), BIN_CODES - 1)
