"""Whole streams: header, parameters, grids."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.overfitted.bitstream import parameters, waves
from isorate.codecs.overfitted.bitstream.header import VERSIONS, Header, pack, unpack
from isorate.codecs.overfitted.bitstream.integer_arm import IntegerArm
from isorate.codecs.overfitted.bitstream.parameters import Coding, Levels, Reading
from isorate.codecs.overfitted.bitstream.starts import Params
from isorate.codecs.overfitted.bitstream.symbols import SymbolDecoder, SymbolEncoder
from isorate.codecs.overfitted.model.structure import Grid, grids
from isorate.errors import BitstreamError

SETTING = struct.Struct(f">B{2 * len(parameters.KINDS)}sII")
"""Start, codings, width and height, as the content's checksum takes them."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a stream holds of a picture.

    Attributes
    ----------
    height, width
        Size of the picture in pixels.
    start, levels, codings
        The nets' parameters: what they are differences to, the differences, how these are coded.
    latents
        The grids in the order of their coding, (height, width) each.
    version
        Of the file format.
    """

    height: int
    width: int
    start: int
    levels: Levels
    codings: tuple[Coding, ...]
    latents: list[NDArray[np.int64]]
    version: int = VERSIONS[-1]

    @property
    def reading(self) -> Reading:
        """What the levels mean."""
        return Reading(self.start, self.version)

    @property
    def params(self) -> Params:
        """The nets' parameters by name."""
        return parameters.all_restored(self.levels, self.codings, self.reading)

    @property
    def crc(self) -> int:
        """CRC-32 of start, codings and size, then the parameters' levels and the latents."""
        codings = bytes(number for coding in self.codings for number in (coding.step, coding.scale))
        crc = zlib.crc32(SETTING.pack(self.start, codings, self.width, self.height))
        for part in (*(self.levels[name] for name in self.levels), *self.latents):
            crc = zlib.crc32(part.astype("<i2").tobytes(), crc)
        return crc


@dataclass(frozen=True, slots=True)
class Bits:
    """Where the bits of a stream are.

    Attributes
    ----------
    parameters
        Bits of the nets' parameters.
    grids
        Bits of each grid with the grid it is, in the order of coding.
    """

    parameters: float
    grids: list[tuple[Grid, float]]


def write(content: Content) -> bytes:
    """Return the file of `content`."""
    encoder = SymbolEncoder()
    parameters.write(encoder, content.levels, content.codings, content.reading)
    _write_grids(encoder, content)
    used = sum(1 << place for place, latents in enumerate(content.latents) if latents.any())
    header = Header(content.version, content.height, content.width, content.start, content.codings, used, content.crc)
    return pack(header, encoder.finish())


def read(data: bytes) -> Content:
    """Return what the file `data` holds.

    Raises
    ------
    BitstreamError
        When it is foreign, of another version, truncated or damaged.
    """
    header, payload = unpack(data)
    decoder = SymbolDecoder(payload)
    reading = Reading(header.start, header.version)
    levels = parameters.read(decoder, header.codings, reading)
    arm = IntegerArm(parameters.all_restored(levels, header.codings, reading))
    decoded: dict[int, list[NDArray[np.int64]]] = {}
    latents = []
    for place, grid in enumerate(grids(header.height, header.width)):
        if header.used >> place & 1:
            y = waves.read_grid(decoder, arm, arm.features(decoded, grid), grid)
        else:
            y = np.zeros((grid.height, grid.width), np.int64)
        latents.append(y)
        decoded.setdefault(grid.level, []).append(y)
    decoder.finish()
    content = Content(header.height, header.width, header.start, levels, header.codings, latents, header.version)
    if content.crc != header.content_crc:
        raise BitstreamError("overfitted: damaged, the checksum of the latents does not hold")
    return content


def count_bits(content: Content) -> Bits:
    """Return where the bits of the file of `content` are."""
    of_parameters = [
        float(content.reading.code(coding).bits(parameters.flat(content.levels, kind, content.reading)).sum())
        for kind, coding in zip(parameters.KINDS, content.codings, strict=True)
    ]
    sizes = _write_grids(None, content)
    return Bits(sum(of_parameters), list(zip(grids(content.height, content.width), sizes, strict=True)))


def _write_grids(encoder: SymbolEncoder | None, content: Content) -> list[float]:
    """Append all grids that are not empty, and return the bits of each."""
    arm = IntegerArm(content.params)
    decoded: dict[int, list[NDArray[np.int64]]] = {}
    sizes = []
    for grid, y in zip(grids(content.height, content.width), content.latents, strict=True):
        size = waves.write_grid(encoder, arm, y, arm.features(decoded, grid), grid) if y.any() else 0.0
        sizes.append(size)
        decoded.setdefault(grid.level, []).append(y)
    return sizes
