"""The file around a model's strings.

A header: magic, the checkpoint's number and four bytes of its digest, the picture's height and width, the latent's
height and width, the number of strings; for a variable-rate model, told by its own magic, the gain. Then each string
with its length.
"""

import math
import struct
from dataclasses import dataclass

from isorate.errors import BitstreamError

MAGIC, VARIABLE_MAGIC = b"CA", b"CG"
HEADER = struct.Struct(">2sB4sHHHHB")
GAIN = struct.Struct(">f")
LENGTH = struct.Struct(">I")
MAX_SIDE = 65535
STRIDE = 64
"""The factor that every model of the zoo divides a side by, hyper-latents included."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds.

    Attributes
    ----------
    checkpoint
        Its number, from 1.
    digest
        The first four bytes of its SHA-256.
    size, shape
        Height and width of the picture, and of the latent that :meth:`decompress` asks for.
    strings
        The model's, in its order.
    gain
        A variable-rate model's gain, a float32; None for the others.
    """

    checkpoint: int
    digest: bytes
    size: tuple[int, int]
    shape: tuple[int, int]
    strings: list[bytes]
    gain: float | None = None


def gain_of(value: float) -> float:
    """Return the float32 that a file holds for a gain, so that encoder and decoder compute with one number."""
    gain: float = GAIN.unpack(GAIN.pack(value))[0]
    return gain


def pack(contents: Contents) -> bytes:
    """Return the file."""
    magic = MAGIC if contents.gain is None else VARIABLE_MAGIC
    number, digest, count = contents.checkpoint, contents.digest, len(contents.strings)
    head = HEADER.pack(magic, number, digest, *contents.size, *contents.shape, count)
    if contents.gain is not None:
        head += GAIN.pack(contents.gain)
    return head + b"".join(LENGTH.pack(len(string)) + string for string in contents.strings)


def header_bytes(data: bytes) -> int:
    """Return the bytes of a file's header and of its strings' lengths."""
    gain = GAIN.size if data[:2] == VARIABLE_MAGIC else 0
    return HEADER.size + gain + LENGTH.size * data[HEADER.size - 1]


def unpack(data: bytes) -> Contents:
    """Return what a file holds.

    Raises
    ------
    BitstreamError
        When it is of another format, damaged or truncated.
    """
    if len(data) < HEADER.size or data[:2] not in (MAGIC, VARIABLE_MAGIC):
        raise BitstreamError(f"not a file of CompressAI's models ({len(data)} bytes)")
    magic, checkpoint, digest, height, width, rows, columns, count = HEADER.unpack_from(data)
    at, gain = HEADER.size, None
    if magic == VARIABLE_MAGIC:
        if len(data) < at + GAIN.size:
            raise BitstreamError("compressai: the file ends inside its header")
        gain = GAIN.unpack_from(data, at)[0]
        if not (math.isfinite(gain) and gain > 0):
            raise BitstreamError(f"compressai: a gain of {gain}: damaged")
        at += GAIN.size
    strings = []
    for _ in range(count):
        if at + LENGTH.size > len(data):
            raise BitstreamError("compressai: the file ends inside its header")
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        strings.append(data[at : at + length])
        at += length
    if at != len(data):
        raise BitstreamError(f"compressai: {len(data)} bytes, and the header says {at}: truncated or damaged")
    if not 0 < rows * columns <= (-(-height // STRIDE) * -(-width // STRIDE)) * (STRIDE // 4) ** 2:
        raise BitstreamError(f"compressai: a latent of {rows}×{columns} for a picture of {height}×{width}")
    return Contents(checkpoint, digest, (height, width), (rows, columns), strings, gain)
