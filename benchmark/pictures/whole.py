"""Whether a picture file holds all of its samples.

Pillow makes a picture of a well-formed file with too few of them and says nothing: what is absent is black or grey, and
easier to code than a photograph. What is looked at costs next to nothing on a whole file.
"""

import io
import re
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image as PillowImage

from isorate.errors import BitstreamError
from isorate.pictures.depth import PPM_HEADER, START_OF_FRAME
from isorate.pictures.jpeg2000 import check_main_header, check_tiles, codestream, read_siz

PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and the steps across and down, of each pass of an interlaced PNG."""
CHUNK = 2**20

HUFFMAN_FRAMES = (0xC0, 0xC1, 0xC2)
PROGRESSIVE = 0xC2
EOI, SOS = 0xD9, 0xDA
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""One that ends the coded data of a scan: no stuffed byte, and no restart."""
GREY = 128
"""The level of every sample for which libjpeg finds no data."""
FILLER = bytes(range(1, 255))
"""Bytes that decode to something else than no data does."""


def lack(data: bytes, picture: PillowImage.Image, *, again: bool = True) -> str:
    """Return what the samples of a file lack although it was decoded without a complaint, or nothing.

    Parameters
    ----------
    data
        The whole file.
    picture
        The same, decoded by Pillow and nothing else done to it.
    again
        Whether the last scan of a JPEG with several may be decoded a second time, the only way to see that it is cut.
    """
    if picture.mode == "P" and (beyond := _beyond_palette(picture)):
        return beyond
    match picture.format:
        case "PNG":
            return _png(data, picture)
        case "PPM":
            return _ppm(data)
        case "JPEG" | "MPO":
            return _jpeg(data, picture, again=again)
        case "JPEG2000":
            return _jpeg2000(data)
    return ""


def _beyond_palette(picture: PillowImage.Image) -> str:
    palette = picture.palette
    colours = len(palette.palette) // len(palette.mode) if palette else 0
    highest = picture.getextrema()[1]
    return f"it uses colour {highest} of a palette of {colours}" if highest >= colours else ""  # type: ignore[operator]


def _png(data: bytes, picture: PillowImage.Image) -> str:
    """Pillow leaves rows at 0 that the file does not hold, so a last row with anything else in it is there."""
    interlaced = data[28]
    last_row = picture.crop((0, picture.height - 1, picture.width, picture.height))
    if not interlaced and last_row.getbbox(alpha_only=False):
        return ""
    bits = data[24] * PNG_CHANNELS[data[25]]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    wanted = 0
    for left, top, across, down in passes:
        width, height = -(-(picture.width - left) // across), -(-(picture.height - top) // down)
        wanted += height * (1 + -(-width * bits // 8)) if width > 0 and height > 0 else 0
    found = _inflated(data, wanted)
    return f"its data end after {found} of {wanted} bytes" if found < wanted else ""


def _inflated(data: bytes, wanted: int) -> int:
    """Return how many bytes the chunks with a PNG's samples unpack to; not much beyond `wanted` is unpacked."""
    unpack, found, at = zlib.decompressobj(), 0, 8
    while at + 12 <= len(data) and found < wanted:
        stop = at + 8 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed = data[at + 8 : stop]
            while packed and not unpack.eof and found < wanted:
                found += len(unpack.decompress(packed, CHUNK))
                packed = unpack.unconsumed_tail
        at = stop + 4
    return found if found >= wanted else found + len(unpack.flush())


def _ppm(data: bytes) -> str:
    header = PPM_HEADER.match(data)
    if header is None or data[1:2] not in (b"5", b"6") or (white := int(header[1])) >= 255:
        return ""
    highest = int(np.frombuffer(data, np.uint8, offset=header.end() + 1).max(initial=0))
    return f"it has a sample of {highest}, its largest value is {white}" if highest > white else ""


@dataclass(frozen=True, slots=True)
class _Scans:
    """The frame of a JPEG, what its scans have brought, and where the coded data of the last one end."""

    frame: int
    components: bytes
    coded: dict[tuple[int, int], int]
    """The lowest bit that there is of a coefficient (0 for DC, 1 to 63) of a component."""
    count: int
    end: int


def _jpeg(data: bytes, picture: PillowImage.Image, *, again: bool) -> str:
    """Look for data that libjpeg has filled up in front of a marker, with a warning that Pillow does not pass on."""
    scans = _scans(data)
    if scans is None or scans.frame not in HUFFMAN_FRAMES:
        return ""  # data that were coded arithmetically may end early: zeros are implied
    coefficients = range(64 if scans.frame == PROGRESSIVE else 1)
    if any(scans.coded.get((component, at), 1) for component in scans.components for at in coefficients):
        return "scans are missing"
    if scans.count == 1 and scans.frame != PROGRESSIVE:
        last = picture.getpixel((picture.width - 1, picture.height - 1))
        if last not in (GREY, (GREY,) * 3):
            return ""
    elif not again:
        return ""
    # Bytes behind all the data are skipped; where data are absent they are taken for them.
    filled = PillowImage.open(io.BytesIO(data[: scans.end] + FILLER + data[scans.end :]), formats=["JPEG"])
    return "" if np.array_equal(np.asarray(filled), np.asarray(picture)) else "its data end early"


def _scans(data: bytes) -> _Scans | None:
    """Return what the markers of a JPEG say (ITU-T T.81, B.2); None where that is nothing sensible."""
    frame, components, count, end, at = 0, b"", 0, 0, 2
    coded: dict[tuple[int, int], int] = {}
    while found := MARKER.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        if marker == EOI:
            return _Scans(frame, components, coded, count, end) if count else None
        stop = at + int.from_bytes(data[at : at + 2])
        segment = data[at + 2 : stop]
        at = stop
        if marker in START_OF_FRAME and len(segment) > 5:
            frame, components = marker, segment[6 : 6 + 3 * segment[5] : 3]
        elif marker == SOS and segment and len(segment) >= 4 + 2 * segment[0]:
            first, last, bits = segment[1 + 2 * segment[0] : 4 + 2 * segment[0]]
            coded.update(
                ((component, coefficient), bits & 15)
                for component in segment[1 : 1 + 2 * segment[0] : 2]
                for coefficient in range(first, min(last, 63) + 1)
            )
            count += 1
            behind = MARKER.search(data, stop)
            end = behind.start() if behind else len(data)
            at = end
    return None


def _jpeg2000(data: bytes) -> str:
    stream = codestream(data)
    try:
        siz = read_siz(stream)
        check_tiles(stream, check_main_header(stream, siz), siz)
    except BitstreamError as error:
        return str(error)
    return ""
