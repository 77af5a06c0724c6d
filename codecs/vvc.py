"""VVC by vvenc in FFmpeg: H.266 intra pictures, 4:2:0 of 10 bits, as bare streams."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from isorate.codecs.base import Knob
from isorate.codecs.bpg.bits import START_CODE, split_nal_units
from isorate.codecs.bpg.colour import Plane
from isorate.codecs.bpg.hevc import TAILS
from isorate.codecs.video import ffmpeg
from isorate.codecs.video.ffmpeg_codec import FfmpegCodec
from isorate.codecs.video.pyav import FULL_RANGE, decode_picture, planes_of
from isorate.codecs.video.ycbcr import MATRIX, to_image, to_planes
from isorate.errors import BitstreamError, CodecError
from isorate.image import Image, size_problem

ENCODER, DECODER = "libvvenc", "vvc"
BIT_DEPTH = 10
SLICES = range(12)
"""NAL unit types of slices (H.266 table 5)."""
INTRA_SLICES = (7, 8)
"""IDR pictures."""
CROP = 28
"""A NAL unit type that H.266 leaves to applications and every decoder skips: how much of the picture is padding."""
SMALLEST_SIDE = 16

# Rough guesses, where a search begins; a wrong one costs an encode or two.
TYPICAL_RATES = ((10, 4.5), (20, 1.9), (26, 1.0), (32, 0.48), (38, 0.19), (44, 0.07), (50, 0.025), (63, 0.004))


@dataclass(frozen=True)
class Vvc(FfmpegCodec):
    """VVC by vvenc, one intra picture; vvenc codes 4:2:0 of 10 bits only.

    The file is the encoder's own byte stream (H.266 annex B). Pictures of odd sides, which 4:2:0 cannot crop to, and
    small ones are padded; a NAL unit of seven bytes behind the stream says by how much.

    Parameters
    ----------
    preset
        vvenc's effort.
    """

    name = "vvc"
    label = "VVC (vvenc)"
    suffix = ".266"
    encoder, decoder = ENCODER, DECODER

    preset: Literal["faster", "fast", "medium", "slow", "slower"] = "slow"
    chroma: str = field(default="420", init=False)
    bit_depth: int = field(default=BIT_DEPTH, init=False)

    @property
    def knob(self) -> Knob:
        """The quantization parameter: six steps double the quantizer; finer ones than 10 exceed vvenc's levels."""
        return Knob("qp", 10, 63, integer=True, rising=False, log=False, default=38, typical=TYPICAL_RATES)

    def encode(self, image: Image, knob: float) -> bytes:
        """Return the byte stream at quantization parameter `knob`."""
        height, width = image.shape[:2]
        if problem := size_problem(width, height):
            raise CodecError(f"vvc: {problem}")
        right, below = _missing(width), _missing(height)
        padded = np.pad(image, ((0, below), (0, right), (0, 0)), "edge") if right or below else image
        # One picture, not the first of a group: shorter parameter sets, and no care for later pictures. FFmpeg does not
        # tell vvenc the range.
        intra = ["-qpa", "0", "-vvenc-params", "intraperiod=1:gopsize=1:range=full", "-f", "vvc"]
        words = ["-c:v", ENCODER, "-preset", self.preset, "-qp", f"{knob:.0f}", *intra]
        planes = to_planes(padded, BIT_DEPTH, "420")
        data = ffmpeg.encode(self.name, planes, "yuv420p10le", words, self.suffix)
        return data + (_crop_unit(right, below) if right or below else b"")

    def decode(self, data: bytes) -> Image:
        """Return the pixels by FFmpeg's own VVC decoder.

        It reads zeros behind the end of truncated data and says nothing: the picture is decoded with zeros and with
        ones behind its end, as for BPG, and refused when the two differ.
        """
        units, right, below = _unpack(data)
        last = max(i for i, unit in enumerate(units) if _type(unit) in SLICES)
        first, second = (
            _decode_once(b"".join(START_CODE + unit + tail * (i == last) for i, unit in enumerate(units)))
            for tail in TAILS
        )
        if not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
            raise BitstreamError("VVC slice data end before the picture does: the file is truncated or damaged")
        height, width = first[0].shape
        if right >= width or below >= height:
            raise BitstreamError(f"VVC picture of {width}×{height} with {right}×{below} of padding")
        return np.ascontiguousarray(to_image(first, BIT_DEPTH, "420")[: height - below, : width - right])

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes before the first slice's data, and those of the padding's NAL unit."""
        units, _, _ = _unpack(data)
        return len(data) - sum(len(unit) for unit in units if _type(unit) in SLICES)


def _missing(side: int) -> int:
    """Return by how much a side is padded."""
    return max(side + side % 2, SMALLEST_SIDE) - side


def _crop_unit(right: int, below: int) -> bytes:
    return START_CODE + bytes((0, CROP << 3 | 1, right + 1, below + 1))


def _type(unit: bytes) -> int:
    return unit[1] >> 3


def _unpack(data: bytes) -> tuple[list[bytes], int, int]:
    """Return a file's NAL units, and how much of its picture is padding on the right and below."""
    if not data.startswith((START_CODE, b"\0" + START_CODE)):
        raise BitstreamError(f"not a VVC byte stream ({len(data)} bytes)")
    units = split_nal_units(data)
    if any(len(unit) < 3 or unit[0] for unit in units):
        raise BitstreamError("VVC NAL unit that is damaged or of another layer")
    slices = [_type(unit) for unit in units if _type(unit) in SLICES]
    if not slices or not set(slices) <= set(INTRA_SLICES):
        raise BitstreamError(f"VVC stream with slices of types {slices}: not one intra picture")
    right = below = 0
    if _type(units[-1]) == CROP:
        if len(units[-1]) != 4 or not all(1 <= side <= SMALLEST_SIDE for side in units[-1][2:]):
            raise BitstreamError("VVC stream whose padding is damaged")
        right, below = (side - 1 for side in units[-1][2:])
        units = units[:-1]
    return units, right, below


def _decode_once(stream: bytes) -> list[Plane]:
    frame = decode_picture("VVC", DECODER, stream)
    if frame.format.name != "yuv420p10le":
        raise BitstreamError(f"VVC picture of {frame.format.name}: not 4:2:0 of {BIT_DEPTH} bits")
    if (frame.color_range, frame.colorspace) != (FULL_RANGE, MATRIX):
        raise BitstreamError("VVC picture that is not marked as full-range BT.601: its colours would be wrong")
    return [plane.copy() for plane in planes_of(frame)]
