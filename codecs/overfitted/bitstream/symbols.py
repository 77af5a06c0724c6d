"""Entropy coding of whole numbers under rounded Laplace densities, by constriction's range coder.

constriction's ``Categorical(perfect=False)`` gives entry i of a row the frequency 1 + floor(weight_i · f) with
f = (2^24 - n) / Σ weights. With weights of frequency - 1, f is exactly 1: the coder works with the stored integers, and
no rounding is left to a machine. Rows are float32, which holds whole numbers up to 2^24.

A step's numbers are coded in up to four calls: those of narrow tables, those of wide ones, then what escaped from each.
"""

from dataclasses import dataclass
from functools import cache

import constriction
import numpy as np
from numpy.typing import NDArray

from isorate.codecs.entropy.words import to_payload, to_words
from isorate.codecs.overfitted.bitstream.tables import PRECISION, WIDTHS, frequencies
from isorate.errors import BitstreamError

LIMIT = 2**14 - 1
"""Numbers are within ±16383."""
ESCAPE_BITS = 18

_ROWS = constriction.stream.model.Categorical(perfect=False)
_ESCAPED = constriction.stream.model.Uniform(1 << ESCAPE_BITS)


@dataclass(frozen=True, slots=True)
class Densities:
    """The densities of a step's numbers, in their order.

    Attributes
    ----------
    scale
        Index of each one's scale, 0..80: int64.
    mean
        Mean in units of 1/16: int64.
    """

    scale: NDArray[np.int64]
    mean: NDArray[np.int64]

    def rows(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Return (places, tables, floors of the means) of the narrow and of the wide tables' numbers."""
        found = []
        for width in WIDTHS:
            places = np.flatnonzero((self.scale >= width.scales.start) & (self.scale < width.scales.stop))
            dropped = 4 - width.fraction_bits
            mean = (self.mean[places] + (1 << dropped >> 1)) >> dropped
            table = (self.scale[places] - width.scales.start) << width.fraction_bits
            table += mean & (1 << width.fraction_bits) - 1
            found.append((places, table, mean >> width.fraction_bits))
        return found


@cache
def _weights() -> list[NDArray[np.float32]]:
    return [(table - 1).astype(np.float32) for table in frequencies()]


@cache
def _costs() -> list[NDArray[np.float64]]:
    """Return the bits of each table's entries."""
    return [PRECISION - np.log2(table) for table in frequencies()]


class SymbolEncoder:
    """Writes steps of numbers one after the other."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def encode(self, symbols: NDArray[np.int64], densities: Densities) -> None:
        """Append a step: flat `symbols`, each within ±16383."""
        escapes = []
        for (places, table, floor), width, weights in zip(densities.rows(), WIDTHS, _weights(), strict=True):
            if not len(places):
                continue
            entries = symbols[places] - floor + width.below
            outside = (entries < 0) | (entries >= width.escape)
            self._coder.encode(np.where(outside, width.escape, entries).astype(np.int32), _ROWS, weights[table])
            escapes.append((symbols[places] - floor)[outside])
        for distances in escapes:
            if len(distances):
                self._coder.encode((distances + (1 << ESCAPE_BITS - 1)).astype(np.int32), _ESCAPED)

    def encode_plain(self, numbers: NDArray[np.int64], count: int) -> None:
        """Append whole numbers of `count` bits each, 0 .. 2^count - 1, as they are."""
        self._coder.encode(numbers.astype(np.int32), constriction.stream.model.Uniform(1 << count))

    def finish(self) -> bytes:
        """Return the payload: little-endian words without the zero bytes at their end."""
        return to_payload(self._coder.get_compressed())


class SymbolDecoder:
    """Reads what :class:`SymbolEncoder` wrote."""

    def __init__(self, payload: bytes) -> None:
        self._coder = constriction.stream.queue.RangeDecoder(to_words(payload))

    def decode(self, densities: Densities) -> NDArray[np.int64]:
        """Return the next step's numbers, flat.

        Raises
        ------
        BitstreamError
            When the payload is impossible under these densities.
        """
        symbols = np.empty(len(densities.scale), np.int64)
        escapes = []
        try:
            for (places, table, floor), width, weights in zip(densities.rows(), WIDTHS, _weights(), strict=True):
                if not len(places):
                    continue
                entries = self._coder.decode(_ROWS, weights[table])
                symbols[places] = entries + (floor - width.below)
                escaped = entries == width.escape
                if escaped.any():
                    escapes.append((places[escaped], floor[escaped]))
            for places, floor in escapes:
                distances = self._coder.decode(_ESCAPED, len(places)).astype(np.int64)
                symbols[places] = distances - (1 << ESCAPE_BITS - 1) + floor
        except AssertionError as error:
            raise BitstreamError("overfitted: the payload is damaged") from error
        if symbols.size and max(-int(symbols.min()), int(symbols.max())) > LIMIT:
            raise BitstreamError("overfitted: the payload is damaged, a number is out of range")
        return symbols

    def decode_plain(self, length: int, count: int) -> NDArray[np.int64]:
        """Return the next `length` numbers of `count` bits each.

        Raises
        ------
        BitstreamError
            When the payload is impossible.
        """
        try:
            found = self._coder.decode(constriction.stream.model.Uniform(1 << count), length)
        except AssertionError as error:
            raise BitstreamError("overfitted: the payload is damaged") from error
        numbers: NDArray[np.int64] = found.astype(np.int64)
        return numbers

    def finish(self) -> None:
        """Check that nothing is left over.

        Raises
        ------
        BitstreamError
            When the payload goes on.
        """
        if not self._coder.maybe_exhausted():
            raise BitstreamError("overfitted: the payload is damaged, it goes on after the last number")


def bits(symbols: NDArray[np.int64], densities: Densities) -> NDArray[np.float64]:
    """Return the bits of each number, which the real file meets but for its last word."""
    found = np.empty(len(symbols))
    for (places, table, floor), width, costs in zip(densities.rows(), WIDTHS, _costs(), strict=True):
        entries = symbols[places] - floor + width.below
        outside = (entries < 0) | (entries >= width.escape)
        found[places] = costs[table, np.where(outside, width.escape, entries)] + ESCAPE_BITS * outside
    return found
