"""The file format of a learned stream, version 1. All integers are big-endian unless said otherwise.

====== ====== ===============================================================================================
offset length content
====== ====== ===============================================================================================
0      2      magic, CE BB (λ in UTF-8)
2      1      format version, 1
3      2      model id: the first two bytes of the weights' SHA-256
5      3      λ code (13 bits, high), Δ code (11 bits): :mod:`isorate.codecs.learned.bitstream.knobs`
8      4      CRC-32 of both codes, then the integer latents: w, then z, as little-endian int16 in reading order
12     1..5   width in pixels, LEB128: 7 bits a byte, low first, the top bit set on all bytes but the last
.      1..5   height in pixels, LEB128
.      n      payload: the range coder's 32-bit words, little-endian, zero bytes at the end left out
.      4      CRC-32 of all bytes before
====== ====== ===============================================================================================

The last CRC is checked before anything is allocated, the first one after decoding, before a picture is made. The
header takes 16 bytes for sides from 128 to 16383 pixels. ``docs/bitstream.md`` describes the payload.
"""

import struct
import zlib
from dataclasses import dataclass

from isorate.codecs.entropy.leb128 import read_leb128, to_leb128
from isorate.codecs.learned.bitstream.knobs import BIN_CODES, KnobCodes
from isorate.errors import BitstreamError
from isorate.image import MAX_PIXELS

MAGIC = b"\xce\xbb"
VERSION = 1
FIXED = struct.Struct(">2sBH3sI")
TRAILER = struct.Struct(">I")
BIN_CODE_BITS = 11
BLOCK = 64
"""Side of the blocks that a picture is extended to, in pixels."""
SIDE = "learned: damaged, a side of the picture"
SHORTEST = FIXED.size + 2 + TRAILER.size


@dataclass(frozen=True, slots=True)
class Header:
    """What a stream says before its payload.

    Attributes
    ----------
    model_id
        First 16 bits of the weights' SHA-256.
    codes
        λ and Δ.
    latents_crc
        CRC-32 of the integer latents.
    height, width
        Size of the picture in pixels.
    """

    model_id: int
    codes: KnobCodes
    latents_crc: int
    height: int
    width: int


def pack(header: Header, payload: bytes) -> bytes:
    """Return the whole file."""
    knobs = (header.codes.lmbda << BIN_CODE_BITS | header.codes.bin_size).to_bytes(3, "big")
    fixed = FIXED.pack(MAGIC, VERSION, header.model_id, knobs, header.latents_crc)
    body = fixed + to_leb128(header.width) + to_leb128(header.height) + payload
    return body + TRAILER.pack(zlib.crc32(body))


def unpack(data: bytes) -> tuple[Header, bytes]:
    """Return the header and the payload of a file.

    Raises
    ------
    BitstreamError
        When the file is foreign, of another version, truncated or damaged.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise BitstreamError("learned: not a stream of this codec, the first bytes are not CE BB")
    if len(data) < SHORTEST:
        raise BitstreamError(f"learned: truncated, {len(data)} bytes are less than a header")
    _, version, model_id, knobs, latents_crc = FIXED.unpack_from(data)
    if version != VERSION:
        raise BitstreamError(f"learned: format version {version}, this program reads version {VERSION}")
    body = data[: -TRAILER.size]
    if TRAILER.unpack(data[-TRAILER.size :])[0] != zlib.crc32(body):
        raise BitstreamError("learned: damaged or truncated, the checksum of the file does not hold")
    packed = int.from_bytes(knobs, "big")
    codes = KnobCodes(packed >> BIN_CODE_BITS, packed & (1 << BIN_CODE_BITS) - 1)
    width, at = read_leb128(body, FIXED.size, SIDE)
    height, at = read_leb128(body, at, SIDE)
    if not (height and width):
        raise BitstreamError(f"learned: a picture of {width}×{height} pixels is not possible")
    if problem := extended_size_problem(width, height):
        raise BitstreamError(f"learned: {problem}")
    if codes.bin_size >= BIN_CODES:
        raise BitstreamError(f"learned: bin size code {codes.bin_size} is out of range")
    return Header(model_id, codes, latents_crc, height, width), body[at:]


def extended_size_problem(width: int, height: int) -> str:
    """Return why a picture of this size is refused, or nothing: what is coded is the picture in whole blocks."""
    across, down = (-(-side // BLOCK) * BLOCK for side in (width, height))
    if across * down <= MAX_PIXELS:
        return ""
    return (
        f"a picture of {width}×{height} pixels is coded as {across}×{down}, "
        f"which exceeds isorate's limit of {MAX_PIXELS} pixels (2^28) a picture"
    )
