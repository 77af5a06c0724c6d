"""AVIF files of one opaque AV1 picture (ISO/IEC 14496-12 and 23008-12; AV1 in both: av1-isobmff 2.3, av1-avif 2)."""

import struct
from dataclasses import dataclass

from isorate.codecs.video.pyav import decode_picture, planes_of
from isorate.codecs.video.ycbcr import MATRIX, PRIMARIES, TRANSFER, Chroma, to_image
from isorate.errors import BitstreamError
from isorate.image import Image, size_problem
from isorate.pictures.boxes import boxes, find

DECODER = "libdav1d"
PIXEL_FORMATS = {("444", 8): "yuv444p", ("444", 10): "yuv444p10le", ("420", 8): "yuv420p", ("420", 10): "yuv420p10le"}
"""FFmpeg's names of what is decoded."""
PROPERTIES = frozenset({b"ispe", b"pixi", b"av1C", b"colr"})
"""Item properties that a picture may have here; others crop, turn or mask it."""


@dataclass(frozen=True, slots=True)
class Av1Still:
    """What an AVIF file holds.

    Attributes
    ----------
    width, height
        Pixels.
    chroma, bit_depth
        As its AV1 configuration says.
    data
        The AV1 elementary stream (OBUs).
    """

    width: int
    height: int
    chroma: Chroma
    bit_depth: int
    data: bytes


def unpack(data: bytes) -> Av1Still:
    """Return the picture of an AVIF file, checked as far as its boxes go.

    Raises
    ------
    BitstreamError
        When the file is damaged or truncated, no AVIF, or no single opaque picture in sRGB's colours, BT.601 and full
        range, 4:4:4 or 4:2:0 of 8 or 10 bits.
    """
    try:
        return _unpack(data)
    except (struct.error, IndexError):
        raise BitstreamError(f"AVIF file ({len(data)} bytes) with a box that ends early") from None


def decode(data: bytes) -> Image:
    """Return the pixels of an AVIF file, by dav1d and the conversion of :mod:`isorate.codecs.video.ycbcr`.

    Raises
    ------
    BitstreamError
        See :func:`unpack`; when the AV1 data are damaged.
    """
    still = unpack(data)
    frame = decode_picture("AVIF", DECODER, still.data, still.width * still.height)
    expected = (still.width, still.height, PIXEL_FORMATS[still.chroma, still.bit_depth])
    if (frame.width, frame.height, frame.format.name) != expected:
        raise BitstreamError(f"AV1 picture of {frame.width}×{frame.height}, {frame.format.name}: not {expected}")
    return to_image(planes_of(frame), still.bit_depth, still.chroma)


def header_bytes(data: bytes) -> int:
    """Return the bytes of the container: everything but the AV1 data."""
    return len(data) - len(unpack(data).data)


def _unpack(data: bytes) -> Av1Still:
    kinds = [kind for kind, _, _ in boxes(data)]
    brands = b"".join(find(data, b"ftyp")[:1])
    if kinds[:1] != [b"ftyp"] or b"avif" not in brands or kinds.count(b"meta") != 1:
        raise BitstreamError(f"not an AVIF file ({len(data)} bytes)")
    items = find(data, b"meta", b"iinf")
    item_types = [info[8:12] for info in _entries(items)]
    if item_types != [b"av01"]:
        raise BitstreamError(f"AVIF file with items of types {item_types}: only one opaque AV1 picture is decoded")
    properties = [kind for box in find(data, b"meta", b"iprp", b"ipco") for kind, _, _ in boxes(box)]
    if foreign := set(properties) - PROPERTIES:
        raise BitstreamError(f"AVIF picture with properties {sorted(foreign)}, which are not supported")
    width, height = struct.unpack_from(">II", _only(data, b"ispe"), 4)
    if not width * height:
        raise BitstreamError(f"AVIF picture of {width}×{height} pixels")
    if problem := size_problem(width, height):
        raise BitstreamError(f"AVIF picture: {problem}")
    chroma, bit_depth = _format(_only(data, b"av1C"))
    _check_colour(_only(data, b"colr"))
    return Av1Still(width, height, chroma, bit_depth, _item_data(data))


def _entries(items: list[bytes]) -> list[bytes]:
    """Return the contents of the ``infe`` boxes."""
    if len(items) != 1:
        raise BitstreamError(f"AVIF file with {len(items)} lists of items")
    start = 6 if items[0][0] == 0 else 8
    return [items[0][at:end] for kind, at, end in boxes(items[0], start) if kind == b"infe"]


def _only(data: bytes, kind: bytes) -> bytes:
    found = find(data, b"meta", b"iprp", b"ipco", kind)
    if len(found) != 1:
        raise BitstreamError(f"AVIF file with {len(found)} {kind.decode()} properties: one is needed")
    return found[0]


def _format(config: bytes) -> tuple[Chroma, int]:
    """Return chroma and depth of an AV1 configuration (av1-isobmff 2.3.3)."""
    high, twelve, grey = config[2] & 0x40, config[2] & 0x20, config[2] & 0x10
    across, down = config[2] & 0x08, config[2] & 0x04
    if config[0] != 0x81 or grey or twelve or bool(across) != bool(down):
        raise BitstreamError("AVIF picture that is not 4:4:4 or 4:2:0 of 8 or 10 bits")
    return "420" if across else "444", 10 if high else 8


def _check_colour(colr: bytes) -> None:
    codes = struct.unpack_from(">4s3HB", colr)
    if codes != (b"nclx", PRIMARIES, TRANSFER, MATRIX, 0x80):
        raise BitstreamError(
            f"AVIF picture with the colour codes {codes[1:]}: only sRGB in full-range BT.601 is decoded"
        )


def _item_data(data: bytes) -> bytes:
    """Return the bytes of the one item, by its location box (ISO/IEC 14496-12, 8.11.3)."""
    (iloc,) = find(data, b"meta", b"iloc") or [b""]
    version, sizes, base_size = iloc[0], iloc[4], iloc[5] >> 4
    widths = (sizes >> 4, sizes & 15, base_size)
    if version > 1 or iloc[5] & 15 or not set(widths) <= {0, 4, 8}:
        raise BitstreamError("AVIF file with an item location that is not supported")
    at = 6
    count, at = _number(iloc, at, 2)
    _, at = _number(iloc, at, 2)
    method, at = _number(iloc, at, 2) if version == 1 else (0, at)
    _, at = _number(iloc, at, 2)
    base, at = _number(iloc, at, base_size)
    extents, at = _number(iloc, at, 2)
    if count != 1 or method or extents != 1:
        raise BitstreamError(f"AVIF file with {count} items in {extents} extents: one of each is decoded")
    offset, at = _number(iloc, at, sizes >> 4)
    length, at = _number(iloc, at, sizes & 15)
    start = base + offset
    if not length or start + length > len(data):
        raise BitstreamError(f"AVIF file is truncated: {len(data)} bytes of {start + length}")
    return data[start : start + length]


def _number(data: bytes, at: int, size: int) -> tuple[int, int]:
    """Return the number of `size` bytes at an offset, and the offset behind it."""
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size]), at + size
