"""Coding a grid by waves: the anti-diagonals on which no latent is another one's context.

Latent (r, c) belongs to wave c + 2r, since contexts reach one column to the right in the row above. A wave is one
gather, one pass of the context model and one call of the coder. In a flat grid a wave's latents lie one fixed stride
apart, and a context is the same shift for all of them.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.overfitted.bitstream.integer_arm import UNIT, IntegerArm, Reals
from isorate.codecs.overfitted.bitstream.symbols import SymbolDecoder, SymbolEncoder, bits
from isorate.codecs.overfitted.model.context_model import ABOVE, LEFT
from isorate.codecs.overfitted.model.structure import CONTEXT, FEATURES, NEIGHBOURS, Grid

SLOPE = 2
"""Waves from a row to the next."""
CHUNK = 1 << 14
"""Latents whose densities the encoder computes at a time."""


class _Planes:
    """A grid and its features in one flat array, so that one gather brings a whole context."""

    def __init__(self, grid: Grid, features: Reals) -> None:
        self.grid = grid
        self.pitch = grid.width + LEFT
        self._shape = (grid.height + ABOVE, self.pitch)
        size = self._shape[0] * self._shape[1] + 1
        self.values = np.zeros((1 + FEATURES) * size)
        for plane in range(FEATURES):
            self._plane((1 + plane) * size)[ABOVE:, LEFT:] = features[plane]
        shifts = [row * self.pitch + column for row, column in NEIGHBOURS]
        shifts += [(1 + plane) * size for plane in range(FEATURES)]
        self._shifts = np.array(shifts)[:, None]
        self._steps = self._shifts + self.stride * np.arange(grid.height)

    @property
    def stride(self) -> int:
        """The distance of a wave's latents."""
        return self.pitch - SLOPE

    def latents(self) -> NDArray[np.int64]:
        """Return the grid, (height, width)."""
        return (self._plane(0)[ABOVE:, LEFT:] / UNIT).astype(np.int64)

    def fill(self, latents: NDArray[np.int64]) -> None:
        """Set the grid."""
        self._plane(0)[ABOVE:, LEFT:] = latents * UNIT

    def waves(self) -> Iterator[tuple[int, int]]:
        """Yield (first latent's place, latents) of every wave."""
        height, width = self.grid.height, self.grid.width
        for wave in range(width + SLOPE * (height - 1)):
            first, last = max(0, -(-(wave - width + 1) // SLOPE)), min(height - 1, wave // SLOPE)
            if first <= last:
                yield ABOVE * self.pitch + LEFT + wave + first * self.stride, last - first + 1

    def wave_contexts(self, start: int, count: int) -> Reals:
        """Return the contexts of a wave, (CONTEXT + 1, count)."""
        return self._with_ones(self._steps[:, :count] + start)

    def contexts(self, places: NDArray[np.int64]) -> Reals:
        """Return the contexts of the latents at `places`, (CONTEXT + 1, n)."""
        return self._with_ones(self._shifts + places)

    def _with_ones(self, at: NDArray[np.int64]) -> Reals:
        context = np.empty((CONTEXT + 1, at.shape[1]))
        context[:CONTEXT] = self.values[at]
        context[CONTEXT] = UNIT
        return context

    def _plane(self, at: int) -> Reals:
        height, pitch = self._shape
        return self.values[at : at + height * pitch].reshape(height, pitch)


def write_grid(
    encoder: SymbolEncoder | None, arm: IntegerArm, latents: NDArray[np.int64], features: Reals, grid: Grid
) -> float:
    """Append a grid's `latents` (height, width), wave by wave, and return their bits.

    Without an encoder they are only counted.
    """
    planes = _Planes(grid, features)
    planes.fill(latents)
    waves = list(planes.waves())
    places = np.concatenate([start + planes.stride * np.arange(count) for start, count in waves])
    symbols = (planes.values[places] / UNIT).astype(np.int64)
    parts = [arm.densities(planes.contexts(places[at : at + CHUNK])) for at in range(0, len(places), CHUNK)]
    densities = type(parts[0])(np.concatenate([p.scale for p in parts]), np.concatenate([p.mean for p in parts]))
    if encoder is not None:
        at = 0
        for _, count in waves:
            wave = slice(at, at + count)
            encoder.encode(symbols[wave], type(densities)(densities.scale[wave], densities.mean[wave]))
            at += count
    return float(bits(symbols, densities).sum())


def read_grid(decoder: SymbolDecoder, arm: IntegerArm, features: Reals, grid: Grid) -> NDArray[np.int64]:
    """Return the next grid's latents, (height, width).

    Raises
    ------
    BitstreamError
        When the payload is damaged.
    """
    planes = _Planes(grid, features)
    for start, count in planes.waves():
        symbols = decoder.decode(arm.densities(planes.wave_contexts(start, count)))
        planes.values[start : start + count * planes.stride : planes.stride] = symbols * UNIT
    return planes.latents()
