"""What a picture's rate curve will be, guessed from its DCT before any network runs.

The statistic of a picture at λ is the mean of log2(1 + (c / q)²) over its 16×16 DCT coefficients c, with q near the
bin size that a transform code would have at λ. Its logarithm predicts the logarithm of the codec's rate by one
straight line for each of a few λ; the lines are fitted on validation photographs when weights are exported and stand
in the weights file. Prediction only saves probes: what is matched is the size of the real file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
        ln bpp = intercept + gain · ln statistic, at Δ = 1.
    bin_slope
        d ln bpp / d log2 Δ, negative.
    mean_bpp
        Geometric mean over the validation photographs.
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


class RatePredictor:
    """The rate curve expected of one picture.

    Parameters
    ----------
    lines
        The weights' lines, λ descending.
    image
        The picture.
    """

    def __init__(self, lines: Sequence[RateLine], image: Image) -> None:
        places = np.array([line.log10_lmbda for line in lines])
        activity = Activity(image)
        log_bpp: list[float] = [line.intercept + line.gain * activity.log_statistic(line.log10_lmbda) for line in lines]
        self.log_lmbda_range = (float(places[-1]), float(places[0]))
        self._lmbdas = places
        self._log_bytes = np.maximum.accumulate(log_bpp) + math.log(image.shape[0] * image.shape[1] / 8)
        self._log_bytes += 1e-6 * np.arange(len(places))  # strictly rising
        self._num_pixels = image.shape[0] * image.shape[1]
        self._slopes = np.array([line.bin_slope for line in lines])

    def curve(self) -> tuple[tuple[float, float], ...]:
        """Return the expected ``(λ, bpp)`` at Δ = 1, λ ascending."""
        bpps = np.exp(self._log_bytes) * 8 / self._num_pixels
        return tuple((10.0 ** float(at), float(bpp)) for at, bpp in zip(self._lmbdas[::-1], bpps[::-1], strict=True))

    def log_lmbda(self, num_bytes: float) -> float:
        """Return log10 λ at which Δ = 1 is expected to give `num_bytes`."""
        return float(np.interp(math.log(num_bytes), self._log_bytes, self._lmbdas))

    def moved(self, log_lmbda: float, gap: float) -> float:
        """Return log10 λ at which the size is expected to be e^`gap` times what it is at `log_lmbda`."""
        here = float(np.interp(-log_lmbda, -self._lmbdas, self._log_bytes))
        return float(np.interp(here + gap, self._log_bytes, self._lmbdas))

    def bin_slope(self, log_lmbda: float) -> float:
        """Return d ln size / d log2 Δ at `log_lmbda`."""
        return float(np.interp(-log_lmbda, -self._lmbdas, self._slopes))


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
