"""JPEG by Pillow's libjpeg-turbo (ITU-T T.81)."""

import math
import struct
from dataclasses import dataclass
from typing import ClassVar, Literal

import PIL
from PIL import features

from isorate.codecs.base import Codec, Knob
from isorate.codecs.pillow_decode import decode_with_pillow
from isorate.errors import BitstreamError, CodecError
from isorate.image import Image, size_problem
from isorate.pictures.depth import start_of_frame
from isorate.pictures.files import save_picture

MAX_SIDE = 65500
"""The library's; the format could have 35 more."""
HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)

# ITU-T T.81 Annex K.1, tables K.1 and K.2, in row order: what libjpeg scales by its quality.
LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *([99] * 32),
)  # fmt: skip

# Geometric mean over photographs of half a megapixel, 4:2:0.
TYPICAL_RATES = (
    (1, 0.08), (2, 0.085), (4, 0.112), (7, 0.180), (10, 0.249), (20, 0.442), (40, 0.739), (60, 1.00), (80, 1.56),
    (90, 2.34), (95, 3.35), (100, 6.43),
)  # fmt: skip


def scaled_table(base: tuple[int, ...], quality: float) -> list[int]:
    """Return `base` scaled as libjpeg's ``jpeg_quality_scaling`` does, for a `quality` that need not be whole.

    Parameters
    ----------
    base
        64 quantization steps.
    quality
        1..100. At whole numbers the result is libjpeg's own baseline table.
    """
    below = math.floor(quality)
    share = quality - below
    percent = (1 - share) * _percent(below) + share * _percent(min(below + 1, 100))
    return [min(max(int((step * percent + 50) / 100), 1), 255) for step in base]


def _check_length(data: bytes) -> None:
    """Refuse a file that is too short for its picture: Huffman codes take a bit for each unit's DC coefficient."""
    at = start_of_frame(data)
    if not at or data[at + 1] not in HUFFMAN_FRAMES or at + 10 > len(data):
        return
    height, width = struct.unpack_from(">HH", data, at + 5)
    factors = data[at + 11 : at + 10 + 3 * data[at + 9] : 3]
    across, down = (8 * max((f >> shift & 15 for f in factors), default=4) or 32 for shift in (4, 0))
    units = -(-width // across) * -(-height // down)
    if units > 8 * len(data):
        raise BitstreamError(f"JPEG stream: {len(data)} bytes cannot hold a picture of {width}×{height} pixels")


def _percent(quality: int) -> int:
    """Return libjpeg's scale for a whole quality, in whole percent."""
    return 5000 // quality if quality < 50 else 200 - 2 * quality


@dataclass(frozen=True)
class Jpeg(Codec):
    """JPEG with optimized Huffman tables.

    Parameters
    ----------
    mode
        ``continuous`` scales the standard quantization tables by a real number, so that rates match closely;
        ``integer`` is the encoder's own quality 1..100, the way of the paper's supplementary.
    chroma
        ``420`` (what JPEG users get) or ``444``.
    optimize
        Huffman tables made for the image. Without them JPEG loses several dB at these rates.
    progressive
        Several scans; a larger file at low rates.
    """

    name = "jpeg"
    label = "JPEG"
    suffix = ".jpg"
    other_suffixes: ClassVar = {".jpeg": ""}

    mode: Literal["continuous", "integer"] = "continuous"
    chroma: Literal["420", "444"] = "420"
    optimize: bool = True
    progressive: bool = False

    @property
    def knob(self) -> Knob:
        """Quality 1..100."""
        return Knob("quality", 1, 100, integer=self.mode == "integer", rising=True, default=10, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """libjpeg-turbo's version in Pillow's wheel."""
        library = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
        version = features.version_feature("libjpeg_turbo") or features.version_codec("jpg")
        return f"{library} {version} via Pillow {PIL.__version__}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a JFIF file at quality `knob`."""
        height, width = image.shape[:2]
        if max(height, width) > MAX_SIDE:
            raise CodecError(f"jpeg: {width}×{height} is too large, a side may have {MAX_SIDE} pixels at most")
        if problem := size_problem(width, height):
            raise CodecError(f"jpeg: {problem}")
        tables = {} if self.mode == "integer" else {
            "qtables": [scaled_table(LUMINANCE, knob), scaled_table(CHROMINANCE, knob)]
        }  # fmt: skip
        try:
            return save_picture(
                image,
                "JPEG",
                quality=int(knob) if self.mode == "integer" else -1,
                subsampling={"420": "4:2:0", "444": "4:4:4"}[self.chroma],
                optimize=self.optimize,
                progressive=self.progressive,
                **tables,
            )
        except OSError as error:
            raise CodecError(f"jpeg: libjpeg failed at quality {knob:g} on {width}×{height} pixels: {error}") from None

    def decode(self, data: bytes) -> Image:
        """Return the pixels as libjpeg-turbo decodes them (fancy upsampling, accurate integer DCT)."""
        _check_length(data)
        return decode_with_pillow(data, "JPEG")

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes before the first scan's data: markers, quantization and Huffman tables."""
        at = 2
        while at + 4 <= len(data):
            marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            at += 2 + length
            if marker == 0xDA:
                return at
        return None
