"""HEVC coding parameters as BPG stores them: ``hevc_header()`` of the specification, 3.1.

Names follow H.265 7.3.2.2.
"""

from dataclasses import dataclass

from isorate.codecs.bpg.bits import BitReader, BitWriter
from isorate.errors import BitstreamError

IMPLICIT_RDPCM, EXTENDED_PRECISION, BYPASS_ALIGNMENT = 1 << 6, 1 << 4, 1 << 0
"""Flags of ``sps_range_extension()``, as bits of :attr:`CodingParameters.range_extension`."""

Pcm = tuple[int, int, int, int, int]
"""Bit depths of luma and chroma minus 1, log2 of the smallest block minus 3, the range above it, loop filter off."""


@dataclass(frozen=True, slots=True)
class CodingParameters:
    """The SPS fields that BPG stores; the others have fixed values or follow from the file header.

    Attributes
    ----------
    sizes
        ``log2_min_luma_coding_block_size_minus3``, ``log2_diff_max_min_luma_coding_block_size``,
        ``log2_min_transform_block_size_minus2``, ``log2_diff_max_min_transform_block_size``.
    max_transform_hierarchy_depth_intra
        Depth of the residual quadtree.
    sao, strong_intra_smoothing
        Tools that are switched on.
    pcm
        PCM blocks' parameters, or None without them.
    range_extension
        The nine flags of ``sps_range_extension()``, first flag in the highest bit, or None without them.
    """

    sizes: tuple[int, int, int, int]
    max_transform_hierarchy_depth_intra: int
    sao: bool
    pcm: Pcm | None
    strong_intra_smoothing: bool
    range_extension: int | None

    def __post_init__(self) -> None:
        if not 4 <= self.log2_ctb <= 6 or self.sizes[2] + 2 >= self.sizes[0] + 3:
            raise BitstreamError("HEVC block sizes are out of range")
        if self.range_extension is not None and self.range_extension & (EXTENDED_PRECISION | BYPASS_ALIGNMENT):
            raise BitstreamError("HEVC extended precision and bypass alignment are outside BPG")

    @property
    def min_cb(self) -> int:
        """Side of the smallest coding block, in luma samples: the coded picture is a multiple of it."""
        return 8 << self.sizes[0]

    @property
    def log2_ctb(self) -> int:
        """Log2 of the coding-tree block's side."""
        return self.sizes[0] + 3 + self.sizes[1]

    def coded_size(self, width: int, height: int) -> tuple[int, int]:
        """Return width and height of the coded picture, in luma samples."""
        return -(-width // self.min_cb) * self.min_cb, -(-height // self.min_cb) * self.min_cb

    def pack(self) -> bytes:
        """Return BPG's ``hevc_header()`` without its length."""
        bits = BitWriter()
        bits.ue(*self.sizes, self.max_transform_hierarchy_depth_intra)
        self.write_tools(bits)
        bits.u(1, self.strong_intra_smoothing)
        self.write_extension(bits)
        return bits.zero_padded()

    def write_tools(self, bits: BitWriter) -> None:
        """Append the fields from ``sample_adaptive_offset_enabled_flag`` to the PCM parameters."""
        bits.u(1, self.sao)
        bits.u(1, self.pcm is not None)
        if self.pcm is not None:
            luma, chroma, smallest, span, unfiltered = self.pcm
            bits.u(4, luma)
            bits.u(4, chroma)
            bits.ue(smallest, span)
            bits.u(1, unfiltered)

    def write_extension(self, bits: BitWriter) -> None:
        """Append the fields from ``sps_extension_present_flag`` on."""
        bits.u(1, self.range_extension is not None)
        if self.range_extension is not None:
            bits.u(8, 0x80)
            bits.u(9, self.range_extension)


def unpack(data: bytes) -> CodingParameters:
    """Return the parameters in BPG's ``hevc_header()``, its length removed.

    Raises
    ------
    BitstreamError
        When they are truncated or outside BPG.
    """
    bits = BitReader(data)
    sizes = (bits.ue(), bits.ue(), bits.ue(), bits.ue())
    depth = bits.ue()
    sao, pcm = read_tools(bits)
    return CodingParameters(sizes, depth, sao, pcm, bits.flag(), read_extension(bits))


def read_tools(bits: BitReader) -> tuple[bool, Pcm | None]:
    """Return what :meth:`CodingParameters.write_tools` appends."""
    sao = bits.flag()
    if not bits.flag():
        return sao, None
    return sao, (bits.u(4), bits.u(4), bits.ue(), bits.ue(), bits.u(1))


def read_extension(bits: BitReader) -> int | None:
    """Return what :meth:`CodingParameters.write_extension` appends."""
    if not bits.flag():
        return None
    kinds = bits.u(8)
    if kinds & 0x7F:
        raise BitstreamError("HEVC SPS extensions beyond range extensions are outside BPG")
    return bits.u(9) if kinds else None
