"""The embedded back end: real BPG files by x265 and FFmpeg's HEVC decoder, without external programs."""

import numpy as np

from isorate.codecs.bpg import container, hevc, parameter_sets, parameters
from isorate.codecs.bpg.bits import START_CODE, split_nal_units, unit_type
from isorate.codecs.bpg.chroma import interpolate, subsample
from isorate.codecs.bpg.colour import Plane, to_rgb, to_ycbcr
from isorate.codecs.bpg.container import Header
from isorate.codecs.bpg.parameter_sets import PPS, SPS, VPS, first_slice_qp, read_pps, read_sps
from isorate.codecs.bpg.parameters import IMPLICIT_RDPCM, CodingParameters
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError
from isorate.image import Image

PIXEL_FORMAT = {"420": container.CHROMA_420, "422": container.CHROMA_422, "444": container.CHROMA_444}

SEI = (39, 40)

FIRST_MISSING_SCALE = 74
"""The smallest QP', QP and 6 for each bit above 8, that FFmpeg has no scale for."""


def version() -> str:
    """Return the names and versions of what codes and decodes."""
    return f"x265 {hevc.x265_version()} via PyAV {hevc.load_av().__version__}"


def encode(image: Image, qp: int, *, chroma: str, bit_depth: int, level: int) -> bytes:
    """Return a BPG file.

    Parameters
    ----------
    image
        Shape ``(height, width, 3)``, uint8.
    qp
        Quantization parameter, 0..51.
    chroma
        ``444``, ``422`` or ``420``.
    bit_depth
        8, 10 or 12.
    level
        bpgenc's compression level, 1..9: selects x265's preset.
    """
    height, width = image.shape[:2]
    header = Header(width, height, PIXEL_FORMAT[chroma], bit_depth=bit_depth)
    min_cb = 8 if min(width, height) > 8 else hevc.SMALLEST_SIDE
    if problem := hevc.size_problem(-(-width // min_cb) * min_cb, -(-height // min_cb) * min_cb):
        raise CodecError(f"bpg: {problem}; use backend=bpgenc or a smaller picture")
    planes = to_ycbcr(image, bit_depth)
    if chroma != "444":
        planes[1:] = [subsample(plane, bit_depth, vertical=chroma == "420") for plane in planes[1:]]
    units = hevc.encode(
        _padded(planes, min_cb, header),
        header.chroma_format_idc,
        bit_depth,
        hevc.PRESETS[level - 1],
        [f"qp={qp}", "info=0", f"min-cu-size={min_cb}"],
    )
    kinds = [unit_type(unit) for unit in units]
    if kinds[:3] != [VPS, SPS, PPS] or not all(kind in hevc.INTRA_SLICES for kind in kinds[3:]):
        raise CodecError(f"bpg: x265 wrote NAL units of types {kinds}: not one intra picture")
    chosen = read_sps(units[1])
    if chosen.min_cb != min_cb:
        raise CodecError(f"bpg: x265 chose a smallest coding block of {chosen.min_cb}, not {min_cb}")
    coding = chosen.pack()
    return header.pack(container.pack_ue7(len(coding)) + coding + START_CODE.join(units[2:]))


def decode(data: bytes) -> Image:
    """Return the pixels of a BPG still.

    Raises
    ------
    BitstreamError
        When `data` is damaged, truncated, or has alpha, animation or another feature that is not supported.
    """
    header, coding, units = parse(data)
    _refuse_lossless(coding, units)
    size = coding.coded_size(header.width, header.height)
    if problem := hevc.size_problem(*size):
        raise BitstreamError(f"BPG picture: {problem}; bpgdec may decode it")
    if _hash_is_of_other_pixels(header, coding, units):
        units = [unit for unit in units if unit_type(unit) not in SEI]
    units = [*parameter_sets.write(coding, header), *units]
    planes = hevc.decode(units, size, header.chroma_format_idc, header.bit_depth)
    if len(planes) == 3 and header.color_space != container.RGB and not any(plane[-4:, -4:].any() for plane in planes):
        # FFmpeg leaves what no slice covers at zero, which is no colour of these spaces.
        raise BitstreamError("HEVC slices do not cover the picture: the file is truncated or damaged")
    return to_rgb(_full_size(planes, header), header)


def parse(data: bytes) -> tuple[Header, CodingParameters, list[bytes]]:
    """Return a BPG file's header, coding parameters and NAL units, checked as far as the headers go.

    Raises
    ------
    BitstreamError
        When they are damaged, truncated or not supported.
    """
    header, at, end = container.unpack(data)
    length, at = container.read_ue7(data[:end], at)
    if at + length >= end:
        raise BitstreamError("BPG file ends before its picture data")
    coding = parameters.unpack(data[at : at + length])
    units = split_nal_units(data[at + length : end])
    _check_units(units)
    width, height = coding.coded_size(header.width, header.height)
    blocks = -(-width >> coding.log2_ctb) * -(-height >> coding.log2_ctb)
    if blocks > 8 * (end - at):
        # Each coding-tree block has at least one bin that arithmetic coding cannot compress (H.265 9.3.4.3.4).
        raise BitstreamError(f"{end - at} bytes cannot code a picture of {header.width}×{header.height} pixels")
    return header, coding, units


def header_bytes(data: bytes) -> int:
    """Return the bytes before the first slice: BPG header, HEVC parameters, PPS and start code."""
    first = next(unit for unit in parse(data)[2] if unit_type(unit) in hevc.INTRA_SLICES)
    return data.index(first)


def _check_units(units: list[bytes]) -> None:
    """Refuse NAL units that a still picture without alpha has no use for: they could redefine its size."""
    pictures = 0
    for unit in units:
        if len(unit) < 3:
            raise BitstreamError("HEVC NAL unit of less than three bytes")
        kind = unit_type(unit)
        if kind in hevc.INTRA_SLICES:
            pictures += unit[2] >> 7
        elif kind != PPS and kind not in SEI:
            raise BitstreamError(f"HEVC NAL unit of type {kind} in a BPG still")
        if unit[0] & 0x81 or unit[1] >> 3:
            raise BitstreamError("HEVC NAL unit of another layer in a BPG still")
    if pictures != 1:
        raise BitstreamError(f"BPG still of {pictures} pictures")


def _refuse_lossless(coding: CodingParameters, units: list[bytes]) -> None:
    """Refuse what FFmpeg decodes to wrong pixels: it filters block edges that H.265 8.4.4.2.6 leaves alone."""
    implicit = (coding.range_extension or 0) & IMPLICIT_RDPCM
    if implicit and any(unit_type(unit) == PPS and read_pps(unit).lossless_blocks for unit in units):
        raise CodecUnavailableError(
            "bpg: FFmpeg decodes lossless BPG files with implicit RDPCM to wrong pixels; "
            "install libbpg's bpgdec and bpgenc and use backend=bpgenc"
        )


def _hash_is_of_other_pixels(header: Header, coding: CodingParameters, units: list[bytes]) -> bool:
    """Return whether a picture hash tells what the encoder saw and no FFmpeg decodes.

    FFmpeg, and bpgdec with it, scales residuals by tables of H.265 8.6.4.2 whose last two of 76 entries are missing.
    They are those of QP 50 and 51 at 12 bits.
    """
    if not any(unit_type(unit) in SEI for unit in units):
        return False
    qp = first_slice_qp(units, coding, header)
    return qp is not None and qp + 6 * (header.bit_depth - 8) >= FIRST_MISSING_SCALE


def _padded(planes: list[Plane], min_cb: int, header: Header) -> list[Plane]:
    """Return the planes with their last column and row repeated until the luma is a multiple of `min_cb`."""
    padded: list[Plane] = []
    for i, plane in enumerate(planes):
        across = min_cb >> (i > 0 and header.chroma_format_idc in (1, 2))
        down = min_cb >> (i > 0 and header.chroma_format_idc == 1)
        height, width = plane.shape
        missing = ((0, -height % down), (0, -width % across))
        padded.append(np.pad(plane, missing, "edge") if any(map(any, missing)) else plane)
    return padded


def _full_size(planes: list[Plane], header: Header) -> list[Plane]:
    """Return the planes cropped to the picture, chroma interpolated to the luma's size."""
    shape = (header.height, header.width)
    luma, chroma = planes[0][: shape[0], : shape[1]], planes[1:]
    if header.chroma_format_idc in (0, 3):
        return [luma, *(plane[: shape[0], : shape[1]] for plane in chroma)]
    vertical = header.chroma_format_idc == 1
    midway = header.pixel_format in (container.CHROMA_420, container.CHROMA_422)
    rows, columns = -(-shape[0] // 2) if vertical else shape[0], -(-shape[1] // 2)
    return [
        luma,
        *(
            interpolate(plane[:rows, :columns], shape, header.bit_depth, vertical=vertical, midway=midway)
            for plane in chroma
        ),
    ]
