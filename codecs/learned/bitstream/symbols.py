"""Entropy coding of integer symbols by constriction's range coder, with probabilities that are integers.

constriction's ``Categorical(weights, perfect=False)`` gives entry i the frequency 1 + floor(weight_i · f), where
f = (2^24 - n) / Σ weights. With weights of frequency - 1, f is exactly 1: the coder works with the stored integers,
and no rounding is left to a machine.

A step's symbols are coded table by table (all those of the first table, in reading order, then of the next), so that
a step takes at most as many calls as there are tables. A symbol beyond its table is coded as the table's last entry,
the escape; the escaped values follow at the end of the step, 18 bits each.
"""

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.entropy.words import to_payload, to_words
from isorate.codecs.learned.bitstream import NO_RANGE_CODER
from isorate.codecs.learned.bitstream.integer_priors import SYMBOL_LIMIT, StepParameters
from isorate.codecs.learned.bitstream.tables import PRECISION
from isorate.errors import BitstreamError, CodecUnavailableError

try:
    import constriction
except ImportError:
    raise CodecUnavailableError(NO_RANGE_CODER) from None

ESCAPE_BITS = 18
SPARE_BITS = 256
"""Bits that may be missing from the payload's length: two words of the coder's state, the last words, and zero bytes at
the end, of which an intact payload has k left out with probability 2^-8k.
"""


class ProbabilityTables:
    """The integer probabilities of a weights file.

    Parameters
    ----------
    frequencies, counts, lowest
        See :func:`~isorate.codecs.learned.bitstream.tables.probability_tables`.

    Raises
    ------
    ValueError
        When a table does not sum to 2^24 or has an entry below 1.
    """

    def __init__(self, frequencies: NDArray[np.int32], counts: NDArray[np.int32], lowest: NDArray[np.int32]) -> None:
        self.counts = counts
        self.lowest = lowest
        self.starts = np.cumsum(counts) - counts
        used = counts > 0
        sums = np.add.reduceat(frequencies.astype(np.int64), self.starts[used])
        if counts.sum() != len(frequencies) or frequencies.min() < 1 or (sums != 1 << PRECISION).any():
            raise ValueError("probability tables do not sum to 2^24")
        self._frequencies = frequencies
        self._models: dict[int, constriction.stream.model.Categorical] = {}

    def model(self, table: int) -> constriction.stream.model.Categorical:
        """Return the entropy model of `table`."""
        if table not in self._models:
            start = self.starts[table]
            weights = self._frequencies[start : start + self.counts[table]].astype(np.float64) - 1
            self._models[table] = constriction.stream.model.Categorical(weights, perfect=False)
        return self._models[table]

    @cached_property
    def costs(self) -> NDArray[np.float64]:
        """Bits of every entry; the escape's include its value."""
        bits = PRECISION - np.log2(self._frequencies)
        bits[(self.starts + self.counts - 1)[self.counts > 0]] += ESCAPE_BITS
        return bits

    def least_bytes(self, count: int) -> int:
        """Return the bytes below which no payload holds `count` symbols, were each the most probable of all tables."""
        return max(0, math.ceil((count * float(self.costs.min()) - SPARE_BITS) / 8))

    def entries(self, symbols: NDArray[np.int32], parameters: StepParameters) -> NDArray[np.int32]:
        """Return the entry of each symbol in its table, the last one for those beyond it."""
        last = self.counts[parameters.table] - 1
        entry = symbols - parameters.floor - self.lowest[parameters.table]
        return np.where((entry < 0) | (entry > last), last, entry).astype(np.int32)

    def costs_of(self, symbols: NDArray[np.int32], parameters: StepParameters) -> NDArray[np.float64]:
        """Return the estimated bits of each symbol."""
        found: NDArray[np.float64] = self.costs[self.starts[parameters.table] + self.entries(symbols, parameters)]
        return found

    def bits(self, symbols: NDArray[np.int32], parameters: StepParameters) -> float:
        """Return the estimated bits of a step's symbols, which the real file meets but for its last word."""
        return float(self.costs_of(symbols, parameters).sum())


class SymbolEncoder:
    """Writes steps of symbols one after the other."""

    def __init__(self, tables: ProbabilityTables) -> None:
        self._tables = tables
        self._coder = constriction.stream.queue.RangeEncoder()

    def encode(self, symbols: NDArray[np.int32], parameters: StepParameters) -> None:
        """Append a step: flat `symbols` in the order of `parameters`, magnitude up to 32767."""
        order, runs = _by_table(parameters.table)
        entries = self._tables.entries(symbols, parameters)
        escaped = entries == self._tables.counts[parameters.table] - 1
        entries = entries[order]
        for table, start, stop in runs:
            self._coder.encode(entries[start:stop], self._tables.model(table))
        if escaped.any():
            distance = symbols[escaped] - parameters.floor[escaped]
            self._coder.encode(distance + (1 << (ESCAPE_BITS - 1)), _escape_model())

    def finish(self) -> bytes:
        """Return the payload: little-endian words without the zero bytes at their end."""
        return to_payload(self._coder.get_compressed())


class SymbolDecoder:
    """Reads what :class:`SymbolEncoder` wrote."""

    def __init__(self, tables: ProbabilityTables, payload: bytes) -> None:
        self._tables = tables
        self._left = 8.0 * len(payload) + SPARE_BITS
        self._coder = constriction.stream.queue.RangeDecoder(to_words(payload))

    def decode(self, parameters: StepParameters) -> NDArray[np.int32]:
        """Return the next step's symbols, flat, int32.

        Symbols that are worth more bits than the payload has were never in it: a file that claims a larger picture
        than it holds ends here, long before the picture is made.

        Raises
        ------
        BitstreamError
            When the payload is impossible under these parameters.
        """
        order, runs = _by_table(parameters.table)
        read = np.empty(len(order), np.int32)
        try:
            for table, start, stop in runs:
                read[start:stop] = self._coder.decode(self._tables.model(table), stop - start)
            entries = np.empty_like(read)
            entries[order] = read
            symbols: NDArray[np.int32] = entries + self._tables.lowest[parameters.table] + parameters.floor
            escaped = entries == self._tables.counts[parameters.table] - 1
            if escaped.any():
                distance = self._coder.decode(_escape_model(), int(escaped.sum()))
                symbols[escaped] = distance - (1 << (ESCAPE_BITS - 1)) + parameters.floor[escaped]
        except AssertionError as error:
            raise BitstreamError("learned: the payload is damaged") from error
        if symbols.size and max(-int(symbols.min()), int(symbols.max())) > SYMBOL_LIMIT:
            raise BitstreamError("learned: the payload is damaged, a symbol is out of range")
        self._left -= self._tables.bits(symbols, parameters)
        if self._left < 0:
            raise BitstreamError("learned: the payload is damaged, it ends before the last symbol")
        return symbols

    def finish(self) -> None:
        """Check that nothing is left over.

        Raises
        ------
        BitstreamError
            When the payload goes on.
        """
        if not self._coder.maybe_exhausted():
            raise BitstreamError("learned: the payload is damaged, it goes on after the last symbol")


def _escape_model() -> constriction.stream.model.Uniform:
    return constriction.stream.model.Uniform(1 << ESCAPE_BITS)


def _by_table(table: NDArray[np.int16]) -> tuple[NDArray[np.int64], Iterator[tuple[int, int, int]]]:
    """Return the stable order that sorts `table`, and (table, start, stop) of each run in it."""
    order = np.argsort(table, kind="stable")
    counts = np.bincount(table)
    present = np.flatnonzero(counts)
    stops = np.cumsum(counts[present])
    return order, zip(present.tolist(), (stops - counts[present]).tolist(), stops.tolist(), strict=True)
