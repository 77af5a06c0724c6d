"""What a JPEG 2000 codestream says before anything is decoded (ITU-T T.800, Annex A)."""

import struct
from dataclasses import dataclass

from isorate.errors import BitstreamError
from isorate.image import MAX_PIXELS
from isorate.pictures.boxes import find

SOC_SIZ = b"\xff\x4f\xff\x51"
JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "
COD, COC, SOT, EOC = 0xFF52, 0xFF53, 0xFF90, 0xFFD9
SIZ = struct.Struct(">HH8IH")
TILE_PART = struct.Struct(">HHHIBB")
MAX_TILES = 65535
MAX_BLOCKS = MAX_PIXELS >> 10
"""Code blocks of a component: those of 32×32 in the largest picture. OpenJPEG takes a kilobyte for each."""
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


def check_main_header(stream: bytes, siz: Siz) -> int:
    """Return the offset of the first tile-part; raise where the picture is cut into too many code blocks.

    A picture of one line has as many as one of 64, and a header may ask for blocks of 4×4 (A.6.1, A.6.2).

    Raises
    ------
    BitstreamError
        When the header is damaged or truncated, or asks for more than :data:`MAX_BLOCKS`.
    """
    at = siz.end
    while (marker := _marker(stream, at)) != SOT:
        if marker < 0xFF00 or at + 4 > len(stream):
            raise BitstreamError("JPEG 2000 stream without tiles: damaged or truncated")
        stop = at + 2 + int.from_bytes(stream[at + 2 : at + 4])
        if not at + 4 < stop <= len(stream):
            raise BitstreamError("JPEG 2000 stream of a damaged or truncated main header")
        if marker in (COD, COC):
            component = 1 if len(siz.bits) < 257 else 2
            first = at + (9 if marker == COD else 5 + component)
            own_precincts = stream[at + (4 if marker == COD else 4 + component)] & 1
            blocks = _blocks(stream[first:stop], siz, own_precincts=bool(own_precincts))
            if blocks > MAX_BLOCKS:
                raise BitstreamError(f"JPEG 2000 stream of {blocks} code blocks: {MAX_BLOCKS} are decoded")
        at = stop
    return at


def _blocks(style: bytes, siz: Siz, *, own_precincts: bool) -> int:
    """Return how many code blocks the parameters of Table A.20 cut a component into, tiles not counted."""
    if len(style) < 5 + own_precincts * (style[0] + 1 if style else 0) or style[0] > 32:
        raise BitstreamError("JPEG 2000 stream of damaged coding parameters")
    levels, across, down = style[0], (style[1] & 15) + 2, (style[2] & 15) + 2
    blocks = 0
    for resolution in range(levels + 1):
        precinct = style[5 + resolution] if own_precincts else 0xFF
        halved = resolution > 0  # the three bands of a resolution are half as large
        shift = levels - resolution + halved
        width, height = (-(-side >> shift) for side in (siz.width, siz.height))
        block = min(across, max(0, (precinct & 15) - halved)), min(down, max(0, (precinct >> 4) - halved))
        blocks += (3 if halved else 1) * -(-width >> block[0]) * -(-height >> block[1])
    return blocks


def check_tiles(stream: bytes, at: int, siz: Siz) -> None:
    """Raise unless every tile of the picture is there and the codestream ends behind the last one.

    `at` is the offset of the first tile-part.

    OpenJPEG makes a picture of whatever is there and fills the rest.

    Raises
    ------
    BitstreamError
        When a tile is absent, or the codestream is truncated or damaged.
    """
    if siz.tiles > MAX_TILES:
        raise BitstreamError(f"JPEG 2000 stream of {siz.tiles} tiles: {MAX_TILES} are possible")
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


def _marker(stream: bytes, at: int) -> int:
    return int.from_bytes(stream[at : at + 2], "big")
