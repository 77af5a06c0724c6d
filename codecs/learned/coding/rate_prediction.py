"""What a picture's rate curve will be, guessed from its DCT before any network runs.

The statistic of a picture at λ is the mean of log2(1 + (c / q)²) over its 16×16 DCT coefficients c, with q near the
bin size that a transform code would have at λ. Its logarithm predicts the logarithm of the codec's rate by one
straight line for each of a few λ; the lines are fitted on validation photographs when weights are exported and stand
in the weights file. Prediction only saves probes: what is matched is the size of the real file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isorate.image import Image

BLOCK = 16
MOST_BLOCKS = 800
BINS_AN_OCTAVE = 4
ENERGY_OCTAVES = (-40, 8)
STEP_OF_LMBDA = 0.5 * math.sqrt(26)
"""q / sqrt(λ): half the bin size that is optimal at high rates, pixels in 0..1."""
TO_OPPONENT = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)


@dataclass(frozen=True, slots=True)
class RateLine:
    """How the rate at one λ follows from the statistic there.

    Attributes
    ----------
    log10_lmbda
        Where.
    intercept, gain
        ln bpp = intercept + gain · ln statistic, in a weights file at Δ = 1.
    bin_slope
        d ln bpp / d log2 Δ, negative.
    mean_bpp
        Geometric mean over the validation photographs, at the same Δ.
    """

    log10_lmbda: float
    intercept: float
    gain: float
    bin_slope: float
    mean_bpp: float

    @classmethod
    def read(cls, lines: Sequence[Sequence[float]]) -> "list[RateLine]":
        """Return the ``lines`` of a weights file's rates, λ descending."""
        return [cls(*line) for line in lines]

    def to_json(self) -> list[float]:
        """Return what :meth:`read` reads."""
        return [self.log10_lmbda, self.intercept, self.gain, self.bin_slope, self.mean_bpp]

    def moved(self, octaves: float) -> "RateLine":
        """Return the line where Δ is 2^`octaves` times as large."""
        rise = self.bin_slope * octaves
        return replace(self, intercept=self.intercept + rise, mean_bpp=self.mean_bpp * math.exp(rise))


def expected_curve(lines: Sequence[RateLine], image: Image) -> tuple[tuple[float, float], ...]:
    """Return the ``(λ, bpp)`` expected of `image` at the Δ of the weights' `lines`, which descend in λ; it ascends."""
    activity = Activity(image)
    log_bpps = [line.intercept + line.gain * activity.log_statistic(line.log10_lmbda) for line in lines]
    rising = np.maximum.accumulate(log_bpps) + 1e-6 * np.arange(len(lines))
    return tuple((10.0**line.log10_lmbda, math.exp(at)) for line, at in zip(lines[::-1], rising[::-1], strict=True))


class Activity:
    """The distribution of a picture's DCT energies, sampled."""

    def __init__(self, image: Image) -> None:
        energies = _dct(_blocks(image)) ** 2
        low, high = ENERGY_OCTAVES
        octaves = np.log2(np.maximum(energies, 2.0**low))
        bins = np.round((octaves - low) * BINS_AN_OCTAVE).astype(np.int64).clip(0, (high - low) * BINS_AN_OCTAVE)
        self._shares = np.bincount(bins.ravel()) / bins.size
        self._energies = 2.0 ** (low + np.arange(len(self._shares)) / BINS_AN_OCTAVE)

    def log_statistic(self, log10_lmbda: float) -> float:
        """Return ln of the statistic at λ."""
        step = STEP_OF_LMBDA * math.sqrt(10.0**log10_lmbda)
        return math.log(float(self._shares @ np.log2(1 + self._energies / step**2)))


def fit_line(log10_lmbda: float, statistics: Sequence[float], bpps: Sequence[float], bin_slope: float) -> RateLine:
    """Return the line that least squares puts through photographs' ``(ln statistic, bpp)`` at one λ."""
    x, y = np.array(statistics), np.log(np.array(bpps))
    gain = float(np.cov(x, y, bias=True)[0, 1] / max(float(x.var()), 1e-9)) if len(x) > 1 else 1.0
    return RateLine(log10_lmbda, float(y.mean() - gain * x.mean()), gain, bin_slope, float(np.exp(y.mean())))


def _blocks(image: Image) -> NDArray[np.float32]:
    """Return up to about 800 blocks of `image`, evenly spread: (n, 3, 16, 16), opponent colours, 0..1."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, max(0, BLOCK - height)), (0, max(0, BLOCK - width)), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // BLOCK, padded.shape[1] // BLOCK
    whole = padded[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)
    every = max(1, math.ceil(rows * columns / MOST_BLOCKS))
    picked = np.arange(0, rows * columns, every)
    blocks = whole[picked // columns, :, picked % columns].astype(np.float32) / 255
    return np.ascontiguousarray((blocks @ TO_OPPONENT.T).transpose(0, 3, 1, 2))


def _dct(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the orthonormal DCT-II of `blocks`, the mean over blocks taken off the constant term."""
    k, x = np.arange(BLOCK)[:, None], np.arange(BLOCK)[None]
    basis = np.cos(np.pi * (2 * x + 1) * k / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    matrix: NDArray[np.float32] = basis.astype(np.float32)
    coefficients = (matrix @ blocks @ matrix.T).astype(np.float32)
    coefficients[..., 0, 0] -= coefficients[..., 0, 0].mean(0)
    return coefficients
