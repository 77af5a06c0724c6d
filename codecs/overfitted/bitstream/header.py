"""The file format of an overfitted stream, versions 1 and 2. All integers are big-endian unless said otherwise.

====== ====== ===============================================================================================
offset length content
====== ====== ===============================================================================================
0      2      magic, CF 89 (ω in UTF-8)
2      1      format version: 1, or 2, which differs in the code of the parameters only
3      1      what the parameters are differences to: :mod:`isorate.codecs.overfitted.bitstream.starts`
4      2      a bit for each grid in the order of coding, the first one lowest: 1 where any latent is not 0
6      12     for each of the six kinds of parameters: s of its step 2^-s, index of its Laplace scale
18     4      CRC-32 of start (1 byte), the 12 bytes of the kinds, width and height (4 bytes each), the parameters'
              levels, then the latents (both as little-endian int16 in the order of coding)
22     1..5   width in pixels, LEB128: 7 bits a byte, low first, the top bit set on all bytes but the last
.      1..5   height in pixels, LEB128
.      n      payload: the range coder's 32-bit words, little-endian, zero bytes at the end left out
.      4      CRC-32 of all bytes before
====== ====== ===============================================================================================

The last CRC and the size are checked before anything is allocated, the first one before a picture is made. A file of n
bytes may not claim more than 2^20 + 2^16 · n pixels: an encoder puts zero bytes at the end of the payload of a larger
picture that takes less.
"""

import struct
import zlib
from dataclasses import dataclass

from isorate.codecs.entropy.leb128 import read_leb128, to_leb128
from isorate.codecs.overfitted.bitstream.levels import scales
from isorate.codecs.overfitted.bitstream.parameters import KINDS, Coding
from isorate.codecs.overfitted.bitstream.starts import NUMBERS
from isorate.codecs.overfitted.model.structure import GRIDS
from isorate.errors import BitstreamError

MAGIC = b"\xcf\x89"
VERSIONS = (1, 2)
FIXED = struct.Struct(f">2sBBH{2 * len(KINDS)}sI")
TRAILER = struct.Struct(">I")
SIDE = "overfitted: damaged, a side of the picture"
SHORTEST = FIXED.size + 2 + TRAILER.size
MAX_PIXELS = 2**25
FREE_PIXELS = 2**20
PIXELS_PER_BYTE = 2**16
WORD = 4
"""Bytes that the range coder writes at a time."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a stream says before its payload.

    Attributes
    ----------
    version
        Of the format.
    height, width
        Size of the picture in pixels.
    start
        What the parameters are differences to.
    codings
        How each kind of parameters is coded.
    used
        A bit for each grid: whether any of its latents is not 0.
    content_crc
        CRC-32 of the parameters and the latents.
    """

    version: int
    height: int
    width: int
    start: int
    codings: tuple[Coding, ...]
    used: int
    content_crc: int


def pack(header: Header, payload: bytes) -> bytes:
    """Return the whole file."""
    codings = bytes(number for coding in header.codings for number in (coding.step, coding.scale))
    fixed = FIXED.pack(MAGIC, header.version, header.start, header.used, codings, header.content_crc)
    body = fixed + to_leb128(header.width) + to_leb128(header.height) + payload
    body += bytes(max(0, _least(header.height * header.width) - len(body) - TRAILER.size))
    return body + TRAILER.pack(zlib.crc32(body))


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Return the header and the payload of a file.

    Raises
    ------
    BitstreamError
        When the file is foreign, of another version, truncated or damaged.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise BitstreamError("overfitted: not a stream of this codec, the first bytes are not CF 89")
    if len(data) < SHORTEST:
        raise BitstreamError(f"overfitted: truncated, {len(data)} bytes are less than a header")
    _, version, first, used, codes, content_crc = FIXED.unpack_from(data)
    if version not in VERSIONS:
        raise BitstreamError(f"overfitted: format version {version}, this program reads versions up to {VERSIONS[-1]}")
    body = data[: -TRAILER.size]
    if TRAILER.unpack(data[-TRAILER.size :])[0] != zlib.crc32(body):
        raise BitstreamError("overfitted: damaged or truncated, the checksum of the file does not hold")
    if first not in NUMBERS:
        raise BitstreamError(f"overfitted: the nets' start {first} is not known here; a newer program made the file")
    codings = tuple(Coding(step, scale) for step, scale in zip(codes[::2], codes[1::2], strict=True))
    if any(c.step > kind.finest or c.scale not in scales(version) for kind, c in zip(KINDS, codings, strict=True)):
        raise BitstreamError("overfitted: damaged, a step or scale of the parameters is out of range")
    if used >> GRIDS:
        raise BitstreamError(f"overfitted: damaged, there are no more than {GRIDS} grids")
    width, at = read_leb128(body, FIXED.size, SIDE)
    height, at = read_leb128(body, at, SIDE)
    most = min(MAX_PIXELS, FREE_PIXELS + PIXELS_PER_BYTE * len(data))
    if not (height > 0 and width > 0 and height * width <= most):
        raise BitstreamError(f"overfitted: a picture of {width}×{height} pixels is not possible in {len(data)} bytes")
    payload = body[at:]
    if len(data) == _least(height * width):
        payload = payload.rstrip(b"\0")
        payload += bytes(-len(payload) % WORD)
    return Header(version, height, width, first, codings, used, content_crc), payload


def _least(pixels: int) -> int:
    """Return the fewest bytes that a file of so many pixels has; one that needs fewer ends in zeros."""
    return -(-(pixels - FREE_PIXELS) // PIXELS_PER_BYTE)
