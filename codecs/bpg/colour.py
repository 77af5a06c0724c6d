"""RGB to the planes of a BPG file and back, in the reference software's fixed-point arithmetic.

Colour conversion is exact to the sample: a stream decodes to the pixels that ``bpgdec`` gives.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.bpg.container import GRAY, RGB, YCBCR, YCBCR_BT709, YCBCR_BT2020, YCGCO, Header
from isorate.image import Image

if TYPE_CHECKING:
    from av.video.plane import VideoPlane

Plane: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Samples of one component: shape ``(height, width)``, uint8 at 8 bits, else uint16."""

Wide: TypeAlias = NDArray[np.signedinteger[Any]]

LUMA_WEIGHTS = {YCBCR: (0.299, 0.114), YCBCR_BT709: (0.2126, 0.0722), YCBCR_BT2020: (0.2627, 0.0593)}
"""Kr and Kb (ITU-R BT.601, BT.709, BT.2020)."""

SHIFT = 22
"""Fraction bits of the way back to RGB."""

BAND_SAMPLES = 1 << 18
"""Samples converted at a time: 32-bit intermediates stay in the cache, and large pictures need no large ones."""


def bands(height: int, width: int) -> Iterator[slice]:
    """Yield slices of rows that together cover `height`, of about :data:`BAND_SAMPLES` samples each."""
    rows = max(1, BAND_SAMPLES // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def sample_type(bit_depth: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the dtype of a plane."""
    return np.dtype(np.uint8 if bit_depth == 8 else np.uint16)


def samples(plane: "VideoPlane", bit_depth: int) -> Plane:
    """Return a view of the memory of PyAV's plane without the padding of its lines."""
    lines = np.frombuffer(memoryview(plane), sample_type(bit_depth)).reshape(plane.height, -1)
    return lines[:, : plane.width]


def to_ycbcr(image: Image, bit_depth: int) -> list[Plane]:
    """Return Y, Cb and Cr in full-range BT.601 at `bit_depth` bits, each of the image's size."""
    shift = 31 - bit_depth
    peak = (1 << bit_depth) - 1
    kr, kb = LUMA_WEIGHTS[YCBCR]
    kg = 1 - kr - kb
    weights = np.array(
        [
            [kr, kg, kb],
            [-0.5 * kr / (1 - kb), -0.5 * kg / (1 - kb), 0.5],
            [0.5, -0.5 * kg / (1 - kr), -0.5 * kb / (1 - kr)],
        ]
    )
    fixed = np.rint(weights * peak * (1 << shift) / 255).astype(np.int32)
    half = np.int32(1 << (shift - 1))
    center = 1 << (bit_depth - 1)
    planes: list[Plane] = [np.empty(image.shape[:2], sample_type(bit_depth)) for _ in range(3)]
    for band in bands(*image.shape[:2]):
        channels = [image[band, :, i].astype(np.int32) for i in range(3)]
        for plane, row, offset in zip(planes, fixed, (0, center, center), strict=True):
            value = sum((w * c for w, c in zip(row, channels, strict=True)), start=half)
            plane[band] = np.clip((value >> shift) + offset, 0, peak)
    return planes


def to_rgb(planes: Sequence[Plane], header: Header) -> Image:
    """Return the 8-bit image of full-size planes.

    Parameters
    ----------
    planes
        Y alone for gray, else three planes in the file's order, each of the picture's size.
    header
        Names colour space, bit depth and range.
    """
    depth = header.bit_depth
    luma_range, chroma_range = (1 << depth) - 1, (1 << depth) - 1
    black = 0
    if header.limited_range:
        luma_range, chroma_range, black = 219 << depth - 8, 224 << depth - 8, 16 << depth - 8
    luma_gain = round(255 * (1 << SHIFT) / luma_range)
    chroma_gain = 255 * (1 << SHIFT) / chroma_range
    offset = (1 << SHIFT - 1) - black * luma_gain
    center = 1 << depth - 1
    # Every full-range sum fits 32 bits; samples outside the limited range exceed them.
    wide: type[np.signedinteger[Any]] = np.int64 if header.limited_range else np.int32
    image = np.empty((header.height, header.width, 3), np.uint8)
    for band in bands(header.height, header.width):
        parts: list[Wide] = [plane[band].astype(wide) for plane in planes]
        if header.pixel_format == GRAY:
            sums = [parts[0] * luma_gain] * 3
        elif header.color_space == RGB:
            sums = [parts[i] * luma_gain for i in (2, 0, 1)]
        elif header.color_space == YCGCO:
            sums = _from_ycgco(parts[0], parts[1] - center, parts[2] - center, luma_gain)
        else:
            sums = _from_ycbcr(
                parts[0] * luma_gain, parts[1] - center, parts[2] - center, chroma_gain, header.color_space
            )
        for channel, value in enumerate(sums):
            image[band, :, channel] = np.clip((value + offset) >> SHIFT, 0, 255)
    return image


def _from_ycbcr(luma: Wide, cb: Wide, cr: Wide, gain: float, color_space: int) -> list[Wide]:
    kr, kb = LUMA_WEIGHTS[color_space]
    kg = 1 - kb - kr
    red = luma + round(2 * (1 - kr) * gain) * cr
    green = luma - round(2 * kb * (1 - kb) / kg * gain) * cb - round(2 * kr * (1 - kr) / kg * gain) * cr
    return [red, green, luma + round(2 * (1 - kb) * gain) * cb]


def _from_ycgco(luma: Wide, cg: Wide, co: Wide, gain: int) -> list[Wide]:
    return [(luma - cg + co) * gain, (luma + cg) * gain, (luma - cg - co) * gain]
