"""The code of the nets' levels: Laplace numbers of mean 0; those of large scales send low bits as they are.

The stored tables reach ±127, and a level of a fine step is often beyond. From version 2 of the format on, a scale above
e^3 is halved r times until it is below: level = high · 2^r + low; high has the table of the halved scale, low is r bits
as they are. Within 2^r neighbours a density of that width is flat. Version 1 has no low bits: levels beyond escape.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.overfitted.bitstream.symbols import LIMIT, Densities, SymbolDecoder, SymbolEncoder, bits
from isorate.codecs.overfitted.bitstream.tables import SCALES
from isorate.errors import BitstreamError

Numbers = NDArray[np.int64]
WIDEST_WHOLE = 64
"""Index of the largest scale, e^3, of levels without low bits."""
MOST_SCALES = 120
"""Scales up to e^10, beyond the largest level."""
OCTAVE = 355
"""Indices of a halving, 8 ln 2 = 5.547, in 1/64."""


@dataclass(frozen=True, slots=True)
class LevelCode:
    """How the levels of one kind are coded.

    Attributes
    ----------
    scale
        Index of their scale: exp(scale / 8 - 5).
    low_bits
        How many of each level's bits are sent as they are.
    """

    scale: int
    low_bits: int

    @property
    def table_scale(self) -> int:
        """Index of the scale of the high parts."""
        return self.scale - (OCTAVE * self.low_bits + 32) // 64

    def bits(self, levels: Numbers) -> NDArray[np.float64]:
        """Return the bits of each of the flat `levels`."""
        return bits(levels >> self.low_bits, self._densities(len(levels))) + self.low_bits

    def encode(self, encoder: SymbolEncoder, levels: Numbers) -> None:
        """Append the flat `levels`."""
        encoder.encode(levels >> self.low_bits, self._densities(len(levels)))
        if self.low_bits:
            encoder.encode_plain(levels & (1 << self.low_bits) - 1, self.low_bits)

    def decode(self, decoder: SymbolDecoder, count: int) -> Numbers:
        """Return the next `count` levels.

        Raises
        ------
        BitstreamError
            When the payload is impossible, or a level is beyond ±16383.
        """
        high = decoder.decode(self._densities(count))
        if not self.low_bits:
            return high
        levels = (high << self.low_bits) + decoder.decode_plain(count, self.low_bits)
        if np.abs(levels).max() > LIMIT:
            raise BitstreamError("overfitted: the payload is damaged, a number is out of range")
        return levels

    @property
    def mean(self) -> int:
        """Mean of the high parts in units of 1/16.

        The levels whose high part is h lie around (h + ½) · 2^r - ½, so 0 lies at 2^-(r + 1) - ½.
        """
        return (8 >> self.low_bits) - 8

    def _densities(self, count: int) -> Densities:
        return Densities(np.full(count, self.table_scale, np.int64), np.full(count, self.mean, np.int64))


def level_code(scale: int, version: int) -> LevelCode:
    """Return the code of levels of scale index `scale` in a file of a format version."""
    low_bits = 0
    if version > 1:
        while scale - (OCTAVE * low_bits + 32) // 64 > WIDEST_WHOLE:
            low_bits += 1
    return LevelCode(scale, low_bits)


def scales(version: int) -> range:
    """Return the scale indices that a file of a format version may have."""
    return range(SCALES) if version == 1 else range(MOST_SCALES)


def bits_by_scale(levels: Numbers, version: int) -> NDArray[np.float64]:
    """Return the bits of each of the flat `levels` under every scale, (scales, levels)."""
    codes = [level_code(scale, version) for scale in scales(version)]
    said = np.array([(code.low_bits, code.table_scale, code.mean) for code in codes], np.int64)
    low_bits, table_scale, mean = said.T[..., None]
    high = levels >> low_bits
    densities = Densities(*(np.broadcast_to(column, high.shape).ravel() for column in (table_scale, mean)))
    found: NDArray[np.float64] = bits(high.ravel(), densities).reshape(high.shape) + low_bits
    return found
