"""HEVC parameter sets (H.265 7.3.2): BPG drops VPS and SPS on writing; a decoder needs them again."""

from dataclasses import dataclass

from isorate.codecs.bpg.bits import BitReader, BitWriter, nal_unit, payload, unit_type
from isorate.codecs.bpg.container import Header
from isorate.codecs.bpg.parameters import CodingParameters, read_extension, read_tools
from isorate.errors import CodecError

VPS, SPS, PPS = 32, 33, 34

FORMAT_RANGE_EXTENSIONS = 4
LEVEL_8_5 = 255
IDR = (19, 20)
INTRA_SLICE = 2
SLICE_HEADER_BYTES = 40
"""More than a slice header takes up to its QP."""
LOG2_MAX_POC_LSB_MINUS4 = 4
"""BPG fixes it: slices of later pictures depend on it."""


def write(parameters: CodingParameters, header: Header) -> list[bytes]:
    """Return VPS and SPS, as NAL units, of the picture that `header` describes."""
    vps = BitWriter()
    vps.u(4, 0)
    vps.u(2, 0b11)  # base layer internal and available
    vps.u(9, 0)  # one layer, one sub-layer
    vps.u(1, 1)
    vps.u(16, 0xFFFF)
    _write_profile(vps)
    vps.u(1, 1)
    vps.ue(0, 0, 0)  # a still picture needs no reordering and no latency
    vps.u(6, 0)
    vps.ue(0)
    vps.u(2, 0)  # no timing, no extension

    sps = BitWriter()
    sps.u(7, 0)
    sps.u(1, 1)
    _write_profile(sps)
    sps.ue(0, header.chroma_format_idc)
    if header.chroma_format_idc == 3:
        sps.u(1, 0)
    sps.ue(*parameters.coded_size(header.width, header.height))
    sps.u(1, 0)  # no conformance window: BPG crops by its own width and height
    sps.ue(header.bit_depth - 8, header.bit_depth - 8, LOG2_MAX_POC_LSB_MINUS4)
    sps.u(1, 1)
    sps.ue(0, 0, 0)
    depth = parameters.max_transform_hierarchy_depth_intra
    sps.ue(*parameters.sizes, depth, depth)
    sps.u(2, 0b01)  # no scaling list, asymmetric partitions
    parameters.write_tools(sps)
    sps.ue(0)
    sps.u(2, 0b01)  # no long-term references, temporal motion vectors
    sps.u(1, parameters.strong_intra_smoothing)
    sps.u(1, 0)  # no VUI
    parameters.write_extension(sps)
    return [nal_unit(VPS, vps.rbsp()), nal_unit(SPS, sps.rbsp())]


def read_sps(unit: bytes) -> CodingParameters:
    """Return the coding parameters in an encoder's SPS.

    Raises
    ------
    CodecError
        When the SPS has a value that a BPG file cannot express.
    """
    bits = BitReader(payload(unit))
    _require(bits.u(7) == 0, "one sub-layer")
    bits.u(1 + 88 + 8)  # nesting flag, profile, level
    _require(bits.ue() == 0, "SPS id 0")
    if bits.ue() == 3:
        _require(bits.u(1) == 0, "joint colour planes")
    bits.skip_ue(2)
    _require(not bits.flag(), "no conformance window")
    bits.skip_ue(2)
    _require(bits.ue() == LOG2_MAX_POC_LSB_MINUS4, "8 bits of picture order count")
    bits.u(1)
    bits.skip_ue(3)
    sizes = (bits.ue(), bits.ue(), bits.ue(), bits.ue())
    inter, intra = bits.ue(), bits.ue()
    _require(inter == intra, "equal transform depths")
    _require(bits.u(2) == 0b01, "no scaling list, asymmetric partitions")
    sao, pcm = read_tools(bits)
    _require(bits.ue() == 0, "no reference picture sets")
    _require(bits.u(2) == 0b01, "no long-term references, temporal motion vectors")
    strong = bits.flag()
    if bits.flag():
        _skip_vui(bits)
    return CodingParameters(sizes, intra, sao, pcm, strong, read_extension(bits))


@dataclass(frozen=True, slots=True)
class PictureParameters:
    """What a PPS (H.265 7.3.2.3.1) says on the way to a slice's quantization parameter, and of lossless blocks."""

    output_flag_present: bool
    num_extra_slice_header_bits: int
    init_qp: int
    lossless_blocks: bool


def read_pps(unit: bytes) -> PictureParameters:
    """Return the picture parameters in a PPS."""
    bits = BitReader(payload(unit))
    bits.skip_ue(2)
    bits.u(1)
    output_flag_present, extra = bits.flag(), bits.u(3)
    bits.u(2)
    bits.skip_ue(2)
    init_qp = 26 + bits.se()
    bits.u(2)
    if bits.flag():
        bits.skip_ue(1)
    bits.skip_ue(2)
    bits.u(3)
    return PictureParameters(output_flag_present, extra, init_qp, bits.flag())


def first_slice_qp(units: list[bytes], coding: CodingParameters, header: Header) -> int | None:
    """Return ``SliceQpY`` of the first slice (H.265 7.3.6.1, 7.4.7.1), None where it is no intra slice of an IDR."""
    pps = next((read_pps(unit) for unit in units if unit_type(unit) == PPS), None)
    first = next((unit for unit in units if unit_type(unit) in IDR), None)
    if pps is None or first is None:
        return None
    bits = BitReader(payload(first[:SLICE_HEADER_BYTES]))
    if not bits.flag():
        return None
    bits.u(1)
    bits.skip_ue(1)
    bits.u(pps.num_extra_slice_header_bits)
    if bits.ue() != INTRA_SLICE:
        return None
    bits.u(pps.output_flag_present)
    if coding.sao:
        bits.u(1 if header.chroma_format_idc == 0 else 2)
    return pps.init_qp + bits.se()


def _write_profile(bits: BitWriter) -> None:
    """Append ``profile_tier_level()``: format range extensions without constraints, which cover every BPG picture."""
    bits.u(8, FORMAT_RANGE_EXTENSIONS)
    bits.u(32, 1 << 31 - FORMAT_RANGE_EXTENSIONS)
    bits.u(4, 0b1001)  # progressive, frames only
    bits.u(44, 0)
    bits.u(8, LEVEL_8_5)


def _skip_vui(bits: BitReader) -> None:
    """Skip ``vui_parameters()`` (H.265 E.2.1) as x265 writes them: no HRD, no display window."""
    if bits.flag() and bits.u(8) == 255:
        bits.u(32)
    if bits.flag():
        bits.u(1)
    if bits.flag():
        bits.u(4)
        if bits.flag():
            bits.u(24)
    if bits.flag():
        bits.skip_ue(2)
    bits.u(3)
    _require(not bits.flag(), "no display window")
    if bits.flag():
        bits.u(64)
        if bits.flag():
            bits.skip_ue(1)
        _require(not bits.flag(), "no HRD parameters")
    if bits.flag():
        bits.u(3)
        bits.skip_ue(5)


def _require(met: bool, what: str) -> None:
    if not met:
        raise CodecError(f"bpg: x265 wrote an SPS that a BPG file cannot express ({what} expected)")
