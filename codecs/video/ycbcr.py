"""RGB to the planes of a video codec and back: BT.601, full range, rounded, in the fixed-point arithmetic of BPG.

With rounding the way there and back costs what the planes cannot hold and no more: at 4:4:4 it has 52.8 dB at 8 bits
and is exact at 10 bits (kodim23). Conversions that truncate stop at 43.7 dB, whatever a codec spends.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from isorate.codecs.bpg.chroma import interpolate, subsample
from isorate.codecs.bpg.colour import Plane, to_rgb, to_ycbcr
from isorate.codecs.bpg.container import CHROMA_444, YCBCR, Header
from isorate.image import Image

Chroma: TypeAlias = Literal["444", "420"]

PRIMARIES, TRANSFER, MATRIX = 1, 13, 6
"""Code points of ITU-T H.273 for what the samples are: sRGB's primaries and curve, BT.601's matrix."""


def to_planes(image: Image, bit_depth: int, chroma: Chroma) -> list[Plane]:
    """Return Y, Cb and Cr of an image.

    Parameters
    ----------
    image
        Shape ``(height, width, 3)``, uint8, sRGB.
    bit_depth
        Bits a sample, 8 to 12.
    chroma
        ``444``, or ``420``: chroma at half the width and height (rounded up), midway between the luma samples.
    """
    planes = to_ycbcr(image, bit_depth)
    if chroma == "420":
        planes[1:] = [subsample(plane, bit_depth, vertical=True) for plane in planes[1:]]
    return planes


def to_image(planes: Sequence[Plane], bit_depth: int, chroma: Chroma) -> Image:
    """Return the 8-bit RGB image of the planes that :func:`to_planes` describes."""
    height, width = planes[0].shape
    if chroma == "420":
        full = [interpolate(plane, (height, width), bit_depth, vertical=True, midway=True) for plane in planes[1:]]
        planes = [planes[0], *full]
    return to_rgb(planes, Header(width, height, CHROMA_444, color_space=YCBCR, bit_depth=bit_depth))
