"""HEVC parameter sets (H.265 7.3.2): BPG drops VPS and SPS on writing; a decoder needs them again."""

from isorate.codecs.bpg.bits import BitReader, BitWriter, nal_unit, payload
from isorate.codecs.bpg.container import Header
from isorate.codecs.bpg.parameters import CodingParameters, read_extension, read_tools
from isorate.errors import CodecError

VPS, SPS, PPS = 32, 33, 34

FORMAT_RANGE_EXTENSIONS = 4
LEVEL_8_5 = 255
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


def has_lossless_blocks(pps: bytes) -> bool:
    """Return ``transquant_bypass_enabled_flag`` of a PPS."""
    bits = BitReader(payload(pps))
    bits.skip_ue(2)
    bits.u(7)
    bits.skip_ue(3)
    bits.u(2)
    if bits.flag():
        bits.skip_ue(1)
    bits.skip_ue(2)
    bits.u(3)
    return bits.flag()


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
