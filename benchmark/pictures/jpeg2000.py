"""What a JPEG 2000 codestream says before anything is decoded (ITU-T T.800, Annex A)."""

import struct
from dataclasses import dataclass

from isorate.errors import BitstreamError
from isorate.pictures.boxes import find

SOC_SIZ = b"\xff\x4f\xff\x51"
JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
SOT, EOC = 0xFF90, 0xFFD9
SIZ = struct.Struct(">HH8IH")
TILE_PART = struct.Struct(">HHHIBB")
MAX_TILES = 65535
SHORTEST_TILE_PART = TILE_PART.size + 2
"""SOT and SOD."""


@dataclass(frozen=True, slots=True)
class Siz:
    """The image and tile sizes, and the components.

    Attributes
    ----------
    width, height
        Pixels.
    tiles
        How many tiles the picture is made of.
    bits
        Bits a sample of each component; negative where samples are signed.
    end
        Offset in the codestream behind the SIZ segment.
    """

    width: int
    height: int
    tiles: int
    bits: tuple[int, ...]
    end: int


def codestream(data: bytes) -> bytes:
    """Return the codestream of a .j2k or .jp2 file; empty where there is none."""
    if data.startswith(SOC_SIZ):
        return data
    return next(iter(find(data, b"jp2c")), b"") if data.startswith(JP2_SIGNATURE) else b""


def read_siz(stream: bytes) -> Siz:
    """Return what the SIZ segment of a codestream says (A.5.1).

    Raises
    ------
    BitstreamError
        When it is damaged or truncated.
    """
    if not stream.startswith(SOC_SIZ) or len(stream) < 4 + SIZ.size:
        raise BitstreamError("JPEG 2000 stream without image and tile sizes: damaged or truncated")
    length, _, x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = SIZ.unpack_from(stream, 4)
    if length != 38 + 3 * components or len(stream) < 4 + length or not components:
        raise BitstreamError("JPEG 2000 stream of damaged image and tile sizes")
    if not (x0 < x1 and y0 < y1 and tile_x and tile_y and tile_x0 <= x0 < tile_x0 + tile_x and
            tile_y0 <= y0 < tile_y0 + tile_y):  # fmt: skip
        raise BitstreamError("JPEG 2000 stream of an impossible size")
    tiles = -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y)
    depths = stream[4 + SIZ.size : 4 + length : 3]
    bits = tuple(-(depth & 127) - 1 if depth & 128 else depth + 1 for depth in depths)
    return Siz(x1 - x0, y1 - y0, tiles, bits, 4 + length)


def check_tiles(stream: bytes, siz: Siz) -> None:
    """Raise unless every tile of the picture is there and the codestream ends behind the last one.

    OpenJPEG makes a picture of whatever is there and fills the rest.

    Raises
    ------
    BitstreamError
        When a tile is absent, or the codestream is truncated or damaged.
    """
    if siz.tiles > MAX_TILES:
        raise BitstreamError(f"JPEG 2000 stream of {siz.tiles} tiles: {MAX_TILES} are possible")
    at = _first_tile_part(stream, siz.end)
    there = set()
    while _marker(stream, at) == SOT:
        if at + TILE_PART.size > len(stream):
            raise BitstreamError("JPEG 2000 stream is truncated")
        _, length, tile, size, _, _ = TILE_PART.unpack_from(stream, at)
        stop = at + size if size else len(stream) - 2
        if length != 10 or stop > len(stream) or stop - at <= SHORTEST_TILE_PART or tile >= siz.tiles:
            raise BitstreamError("JPEG 2000 stream is truncated or damaged")
        there.add(tile)
        at = stop
    if _marker(stream, at) != EOC:
        raise BitstreamError("JPEG 2000 stream is truncated or damaged")
    if absent := siz.tiles - len(there):
        raise BitstreamError(f"JPEG 2000 stream lacks {absent} of its {siz.tiles} tiles")


def _first_tile_part(stream: bytes, at: int) -> int:
    """Return the offset of the first SOT marker; the main header's segments from `at` on are skipped."""
    while (marker := _marker(stream, at)) != SOT:
        if marker < 0xFF00 or at + 4 > len(stream):
            raise BitstreamError("JPEG 2000 stream without tiles: damaged or truncated")
        at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return at


def _marker(stream: bytes, at: int) -> int:
    return int.from_bytes(stream[at : at + 2], "big")
