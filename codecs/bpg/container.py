"""The BPG file header (BPG specification 0.9.5, 3.1): what lies before the HEVC parameters."""

from dataclasses import dataclass

from isorate.errors import BitstreamError
from isorate.image import size_problem

MAGIC = b"BPG\xfb"

GRAY, CHROMA_420, CHROMA_422, CHROMA_444, CHROMA_420_VIDEO, CHROMA_422_VIDEO = range(6)
"""``pixel_format``: the video variants have MPEG2's chroma positions, the others JPEG's."""

YCBCR, RGB, YCGCO, YCBCR_BT709, YCBCR_BT2020 = range(5)
"""``color_space``."""

CHROMA_FORMAT_IDC = {GRAY: 0, CHROMA_420: 1, CHROMA_422: 2, CHROMA_444: 3, CHROMA_420_VIDEO: 1, CHROMA_422_VIDEO: 2}


@dataclass(frozen=True, slots=True)
class Header:
    """A still picture's header fields.

    Attributes
    ----------
    width, height
        Pixels.
    pixel_format, color_space
        The specification's codes, named above.
    bit_depth
        Bits a sample, 8..14.
    limited_range
        Whether samples use the video range (16..235 at 8 bits).
    """

    width: int
    height: int
    pixel_format: int = CHROMA_444
    color_space: int = YCBCR
    bit_depth: int = 8
    limited_range: bool = False

    @property
    def chroma_format_idc(self) -> int:
        """HEVC's chroma format: 0 gray, 1 4:2:0, 2 4:2:2, 3 4:4:4."""
        return CHROMA_FORMAT_IDC[self.pixel_format]

    def pack(self, body: bytes) -> bytes:
        """Return the file: header, then `body` (HEVC parameters and picture data), whose length it records."""
        formats = bytes(
            (
                self.pixel_format << 5 | self.bit_depth - 8,
                self.color_space << 4 | self.limited_range << 1,
            )
        )
        return MAGIC + formats + pack_ue7(self.width) + pack_ue7(self.height) + pack_ue7(len(body)) + body


def pack_ue7(value: int) -> bytes:
    """Return `value` in groups of seven bits, most significant first; all bytes but the last have their top bit set."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def read_ue7(data: bytes, at: int) -> tuple[int, int]:
    """Return the ``ue7(32)`` number at offset `at` and the offset after it."""
    value = 0
    for i in range(at, min(at + 5, len(data))):
        if i == at and data[i] == 0x80:
            raise BitstreamError(f"BPG number at byte {at} is not in its shortest form")
        value = value << 7 | data[i] & 0x7F
        if data[i] < 0x80:
            if value >= 1 << 32:
                break
            return value, i + 1
    else:
        if at + 5 > len(data):
            raise BitstreamError(f"BPG header ends early ({len(data)} bytes)")
    raise BitstreamError(f"BPG number at byte {at} exceeds 32 bits")


def unpack(data: bytes) -> tuple[Header, int, int]:
    """Return the header and where the HEVC parameters and picture data begin and end.

    Raises
    ------
    BitstreamError
        When `data` is no BPG file, is truncated, or is no still picture without alpha.
    """
    if data[:4] != MAGIC:
        raise BitstreamError(f"not a BPG file ({len(data)} bytes)")
    if len(data) < 6:
        raise BitstreamError(f"BPG header ends early ({len(data)} bytes)")
    pixel_format, alpha1, depth = data[4] >> 5, data[4] >> 4 & 1, (data[4] & 15) + 8
    color_space, extension, alpha2 = data[5] >> 4, data[5] >> 3 & 1, data[5] >> 2 & 1
    _check_formats(pixel_format, color_space, depth)
    if alpha1 or alpha2:
        raise BitstreamError(f"BPG file with {'an alpha' if alpha1 else 'a CMYK'} plane: only opaque RGB is supported")
    if data[5] & 1:
        raise BitstreamError("BPG animation: only still pictures are supported")
    width, at = read_ue7(data, 6)
    height, at = read_ue7(data, at)
    if not width * height:
        raise BitstreamError(f"BPG picture of {width}×{height} pixels")
    if problem := size_problem(width, height):
        raise BitstreamError(f"BPG picture: {problem}")
    length, at = read_ue7(data, at)
    if extension:
        skipped, at = read_ue7(data, at)
        at += skipped
    end = at + length if length else len(data)
    if end > len(data) or at >= end:
        raise BitstreamError(f"BPG file is truncated: {len(data)} bytes of at least {max(end, at + 1)}")
    return Header(width, height, pixel_format, color_space, depth, bool(data[5] & 2)), at, end


def _check_formats(pixel_format: int, color_space: int, depth: int) -> None:
    if pixel_format not in CHROMA_FORMAT_IDC:
        raise BitstreamError(f"BPG pixel format {pixel_format} is reserved")
    if depth > 14:
        raise BitstreamError(f"BPG bit depth {depth} exceeds 14")
    if color_space > YCBCR_BT2020:
        raise BitstreamError(f"BPG colour space {color_space} is reserved")
    if pixel_format == GRAY and color_space != YCBCR:
        raise BitstreamError(f"BPG gray picture with colour space {color_space}")
