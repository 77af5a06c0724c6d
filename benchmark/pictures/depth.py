"""What a sample of a picture file is, from the file's own header.

Pillow decodes most deep formats to 8 bits without a word, so its mode tells nothing.
"""

import io
import re
import struct
import warnings
from collections.abc import Callable

from PIL import TiffImagePlugin

from isorate.errors import BitstreamError
from isorate.pictures.boxes import find
from isorate.pictures.jpeg2000 import JP2_SIGNATURE, SOC_SIZ, codestream, read_siz

_BETWEEN = rb"(?:\s++|#[^\n]*+\n)++"
PPM_HEADER = re.compile(rb"P[2356]" + rb"\d++".join([_BETWEEN] * 3) + rb"(\d++)")
START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
BITS_PER_SAMPLE, SAMPLE_FORMAT = 258, 339
SIGNED = 2


def sample_bits(data: bytes) -> int:
    """Return the bits of the file's deepest sample; 8 where its format knows no others, or it cannot be read.

    PNG (IHDR), PPM and PGM (the largest value), PFM, JPEG (SOF), TIFF (BitsPerSample), AVIF (av1C) and JPEG 2000 (SIZ)
    can be deeper.
    """
    for signature, bits in _READERS.items():
        if data.startswith(signature):
            try:
                return bits(data)
            except _DAMAGED:
                return 8  # whoever decodes the file says what is wrong with it
    return _avif(data) if data[4:8] == b"ftyp" else 8


def sample_problem(data: bytes) -> str | None:
    """Return why the samples of a TIFF or JPEG 2000 file are none that Pillow reads as they are meant, or None.

    Pillow takes the bytes of signed samples in a TIFF for unsigned ones, adds half of the range to those of JPEG 2000,
    and multiplies JPEG 2000's of n < 8 bits by a power of two, so that white is not 255.
    """
    try:
        if data.startswith((b"II", b"MM")):
            formats = _tiff_tag(data, SAMPLE_FORMAT)
            return "signed samples" if SIGNED in formats else None
        if data.startswith((SOC_SIZ, JP2_SIGNATURE)):
            bits = read_siz(codestream(data)).bits
            return "signed samples" if min(bits) < 0 else f"{min(bits)} bits a sample" if min(bits) < 8 else None
    except _DAMAGED:
        return None  # as for sample_bits
    return None


def largest_value(data: bytes) -> int | None:
    """Return the value of white in a PPM or PGM file, None for other files."""
    found = PPM_HEADER.match(data)
    return int(found[1][:9]) if found else None


def _ppm(data: bytes) -> int:
    return max(8, (largest_value(data) or 255).bit_length())


def _jpeg(data: bytes) -> int:
    at = start_of_frame(data)
    return data[at + 4] if at else 8


def start_of_frame(data: bytes) -> int:
    """Return the offset of a JPEG's SOF marker, 0 where there is none (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in START_OF_FRAME:
            return at
        # fill bytes, and markers without a segment
        at += 1 if marker == 0xFF else 2 if marker in (0x01, *range(0xD0, 0xD8)) else 2 + _u16(data, at + 2)
    return 0


def _tiff(data: bytes) -> int:
    return max(_tiff_tag(data, BITS_PER_SAMPLE))


def _tiff_tag(data: bytes, tag: int) -> tuple[int, ...]:
    file = io.BytesIO(data)
    directory = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if data[2] == 43 else 8))  # BigTIFF's is longer
    file.seek(directory.next)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        directory.load(file)
    found = directory.get(tag, 1)  # the default of both tags
    return found if isinstance(found, tuple) else (int(found),)


def _jpeg2000(data: bytes) -> int:
    return max(map(abs, read_siz(codestream(data)).bits))


def _avif(data: bytes) -> int:
    """Return the depth in the AV1 configurations (AV1 in ISO base media files, 2.3.3)."""
    flags = [content[2] for content in find(data, b"meta", b"iprp", b"ipco", b"av1C") if len(content) > 2]
    return max(((12 if flag & 0x20 else 10) if flag & 0x40 else 8 for flag in flags), default=8)


def _u16(data: bytes, at: int) -> int:
    return int(struct.unpack_from(">H", data, at)[0])


_DAMAGED = (IndexError, ValueError, struct.error, SyntaxError, OSError, TypeError, KeyError, BitstreamError)
_READERS: dict[bytes, Callable[[bytes], int]] = {
    b"\x89PNG\r\n\x1a\n": lambda data: data[24],
    b"P2": _ppm,
    b"P3": _ppm,
    b"P5": _ppm,
    b"P6": _ppm,
    b"PF": lambda _: 32,
    b"Pf": lambda _: 32,
    b"\xff\xd8": _jpeg,
    b"II": _tiff,
    b"MM": _tiff,
    SOC_SIZ: _jpeg2000,
    JP2_SIGNATURE: _jpeg2000,
}
