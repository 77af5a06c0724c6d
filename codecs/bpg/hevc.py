"""One intra picture through PyAV: x265 writes it, FFmpeg's HEVC decoder reads it."""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from isorate.codecs.bpg.bits import START_CODE, split_nal_units, unit_type
from isorate.codecs.bpg.colour import Plane, samples
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError

if TYPE_CHECKING:
    from av import VideoFrame

PRESETS = ("superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
"""x265's presets for bpgenc's compression levels 1 to 9."""

PIXEL_FORMATS = {0: "gray", 1: "yuv420p", 2: "yuv422p", 3: "yuv444p"}
"""FFmpeg's names for HEVC's chroma formats at 8 bits."""

INTRA_SLICES = range(16, 22)
"""NAL unit types of slices of pictures that refer to no other."""

DECODED_DEPTHS = (8, 9, 10, 12)
CODED_DEPTHS = (8, 10, 12)

SMALLEST_SIDE = 16
"""x265 codes no picture whose side is below its smallest coding-tree block."""

STILL_PICTURE = (
    "keyint=1",
    "total-frames=1",
    "rect=1",
    "amp=1",
    "repeat-headers=1",
    "annexb=1",
    "hash=0",
    "allow-non-conformance=1",
    "wpp=0",
    "pools=none",
    "frame-threads=1",
    "log-level=none",
)
"""One intra picture in the syntax that BPG prescribes (asymmetric partitions), on one thread, without wavefronts.

HEVC's levels forbid small coding-tree blocks in wide pictures; BPG's profile has no such limit.
"""

SHORT_SIDE = 32
DEEPEST_TRANSFORM_TREE = 3
"""Below a side of 32 samples x265 takes coding-tree blocks of 16: placebo's four levels of transforms exceed them."""

TAILS = (b"", b"\xff" * 64)
"""What is put behind the slice data, in turn."""


MAX_SAMPLES = 2**31
"""What FFmpeg's ``av_image_check_size`` allows: eight bytes a sample and a margin of 128 on either side."""


def size_problem(width: int, height: int) -> str:
    """Return why FFmpeg refuses a coded picture of this size, or nothing."""
    if 8 * (width + 128) * (height + 128) < MAX_SAMPLES:
        return ""
    return f"FFmpeg's limit of 8·(width + 128)·(height + 128) < 2^31 is exceeded by a coded picture of {width}×{height}"


def load_av() -> ModuleType:
    """Return PyAV.

    Raises
    ------
    CodecUnavailableError
        When PyAV, its x265 or its HEVC decoder is missing.
    """
    try:
        import av

        av.codec.Codec("libx265", "w"), av.codec.Codec("hevc", "r")
    except (ImportError, ValueError) as error:
        raise CodecUnavailableError(
            f"bpg: the embedded back end needs PyAV with x265 and HEVC ({error}); "
            "pip install av, or name libbpg's programs by ISORATE_BPGENC and ISORATE_BPGDEC"
        ) from None
    return av


@cache
def x265_version() -> str:
    """Return x265's own version, read from the information SEI of a tiny picture."""
    flat = np.full((SMALLEST_SIDE, SMALLEST_SIDE), 128, np.uint8)
    found = re.search(rb"x265 \(build \d+\) - ([^:\x00]+):", b"".join(encode([flat], 0, 8, "fast", ["info=1"])))
    return found[1].decode("ascii", "replace") if found else "of unknown version"


def encode(
    planes: Sequence[Plane], chroma_format_idc: int, bit_depth: int, preset: str, settings: Sequence[str]
) -> list[bytes]:
    """Return the NAL units of one intra picture, parameter sets included.

    Parameters
    ----------
    planes
        Y, or Y, Cb and Cr; the sides of Y are multiples of the smallest coding block.
    chroma_format_idc
        HEVC's chroma format: 0 gray, 1 4:2:0, 2 4:2:2, 3 4:4:4.
    bit_depth
        8, 10 or 12.
    preset
        x265's preset.
    settings
        Further x265 parameters, ``name=value``.
    """
    av = load_av()
    height, width = planes[0].shape
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height = width, height
    context.pix_fmt = _pixel_format(chroma_format_idc, bit_depth)
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    settings = [*STILL_PICTURE, *settings]
    if preset == "placebo" and min(height, width) < SHORT_SIDE:
        settings += [f"tu-intra-depth={DEEPEST_TRANSFORM_TREE}", f"tu-inter-depth={DEEPEST_TRANSFORM_TREE}"]
    context.options = {"preset": preset, "tune": "ssim", "x265-params": ":".join(settings)}
    frame = av.VideoFrame(width, height, context.pix_fmt)
    for target, part in zip(frame.planes, planes, strict=True):
        samples(target, bit_depth)[:] = part
    try:
        packets = [*context.encode(frame), *context.encode(None)]
    except av.FFmpegError as error:
        raise CodecError(f"bpg: x265 cannot code a picture of {width}×{height}: {error.strerror}") from None
    stream = b"".join(bytes(packet) for packet in packets)
    if not stream:
        raise CodecError(f"bpg: x265 wrote nothing for a picture of {width}×{height}")
    return split_nal_units(stream)


def decode(units: Sequence[bytes], size: tuple[int, int], chroma_format_idc: int, bit_depth: int) -> list[Plane]:
    """Return the planes of the intra picture that the NAL units code.

    FFmpeg's decoder reads zeros behind the end of truncated slice data and says nothing. Arithmetic-coded data that
    are complete decode to the same samples whatever follows them; so the picture is decoded with zeros and with ones
    behind its end, the two ends of the interval of all continuations, and refused when they differ.

    Parameters
    ----------
    units
        VPS, SPS, PPS and slices.
    size
        ``(width, height)`` of the coded picture.
    chroma_format_idc, bit_depth
        What the SPS says.

    Raises
    ------
    BitstreamError
        When the data are damaged or truncated.
    """
    if bit_depth not in DECODED_DEPTHS:
        raise BitstreamError(f"HEVC pictures of {bit_depth} bits cannot be decoded, only of {DECODED_DEPTHS}")
    last = max((i for i, unit in enumerate(units) if unit_type(unit) in INTRA_SLICES), default=-1)
    streams = [[unit + tail * (i == last) for i, unit in enumerate(units)] for tail in TAILS]
    frame, again = map(_decode_once, streams)
    expected = (*size, _pixel_format(chroma_format_idc, bit_depth))
    if (frame.width, frame.height, frame.format.name) != expected:
        raise BitstreamError(f"HEVC picture of {frame.width}×{frame.height}, {frame.format.name}: not {expected}")
    planes, others = ([samples(plane, bit_depth) for plane in f.planes] for f in (frame, again))
    if not all(np.array_equal(a, b) for a, b in zip(planes, others, strict=True)):
        raise BitstreamError("HEVC slice data end before the picture does: the file is truncated or damaged")
    return planes


def _decode_once(units: Sequence[bytes]) -> "VideoFrame":
    av = load_av()
    context = av.CodecContext.create("hevc", "r")
    context.thread_count = 1
    context.options = {"err_detect": "crccheck+bitstream+buffer+explode"}
    stream = b"".join(START_CODE + unit for unit in units)
    try:
        frames: list[VideoFrame] = [*context.decode(av.Packet(stream)), *context.decode(None)]
    except av.FFmpegError as error:
        raise BitstreamError(f"damaged HEVC data: {error.strerror}") from None
    if len(frames) != 1 or frames[0].is_corrupt:
        raise BitstreamError(f"damaged HEVC data: {len(frames)} pictures decoded")
    return frames[0]


def _pixel_format(chroma_format_idc: int, bit_depth: int) -> str:
    return PIXEL_FORMATS[chroma_format_idc] + ("" if bit_depth == 8 else f"{bit_depth}le")
