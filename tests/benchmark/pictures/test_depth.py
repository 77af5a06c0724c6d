"""The depth is the file's own: Pillow reads most of these as 8 bits without a word."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from isorate.image import Image
from isorate.pictures.depth import largest_value, sample_bits


def png(photo: Image, depth: int, colour_type: int, channels: int) -> bytes:
    """Return a PNG of `photo`'s first channels at `depth` bits a sample."""
    samples = np.dstack([photo, photo])[..., :channels].astype(np.uint16) * (257 if depth == 16 else 1)
    height, width = photo.shape[:2]
    raw = samples.astype(">u2" if depth == 16 else np.uint8).tobytes()
    lines = b"".join(b"\0" + raw[i : i + len(raw) // height] for i in range(0, len(raw), len(raw) // height))
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def saved(picture: PillowImage.Image, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, file_format, **options)
    return out.getvalue()


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("depth", [8, 16])
def test_png_of_every_kind(photo: Image, depth: int, colour_type: int, channels: int) -> None:
    assert sample_bits(png(photo, depth, colour_type, channels)) == depth


@pytest.mark.parametrize(("header", "bits", "white"), [
    (b"P6\n1 1\n255\n", 8, 255), (b"P6\n# one\n1 # two\n1\n65535\n", 16, 65535), (b"P5 1 1 1023 ", 10, 1023),
    (b"P3\n1 1\n4095\n1 2 3", 12, 4095), (b"P2 1 1 100 7", 8, 100), (b"P4 1 1 ", 8, None),
])  # fmt: skip
def test_the_value_of_white_is_the_depth_of_a_ppm(header: bytes, bits: int, white: int | None) -> None:
    assert sample_bits(header + bytes(6)) == bits
    assert largest_value(header + bytes(6)) == white


@pytest.mark.parametrize("between", [b" ", b" #\n", b" #"])
def test_a_header_that_never_ends_is_read_once(between: bytes) -> None:
    """Tried in every way to divide the blanks, 40 of them took minutes."""
    assert largest_value(b"P6" + between * 300_000 + b"x") is None


def test_pfm_is_floating_point() -> None:
    assert sample_bits(b"PF\n1 1\n-1.0\n" + bytes(12)) == 32


@pytest.mark.parametrize(("mode", "bits"), [("RGB", 8), ("L", 8), ("1", 1), ("I;16", 16), ("F", 32)])
def test_tiff(photo: Image, mode: str, bits: int) -> None:
    grey = photo[..., 0]
    deep: dict[str, NDArray[Any]] = {"I;16": grey.astype(np.uint16), "F": grey.astype(np.float32)}
    picture = PillowImage.fromarray(deep[mode]) if mode in deep else PillowImage.fromarray(photo).convert(mode)
    assert sample_bits(saved(picture, "TIFF")) == bits


def test_a_tiff_of_16_bit_rgb() -> None:
    entries = [(256, 3, 1, 2), (257, 3, 1, 1), (258, 3, 3, 110), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 116),
               (277, 3, 1, 3), (278, 3, 1, 1)]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    data = struct.pack("<2sHI", b"II", 42, 8) + directory + bytes(4)
    data = data.ljust(110, b"\0") + struct.pack("<3H", 16, 16, 16) + bytes(12)
    assert PillowImage.open(io.BytesIO(data)).mode == "RGB"
    assert sample_bits(data) == 16


def test_jpeg_jpeg2000_webp_avif_and_gif(photo: Image) -> None:
    picture = PillowImage.fromarray(photo)
    for file_format in ("JPEG", "JPEG2000", "WEBP", "AVIF", "GIF", "BMP"):
        assert sample_bits(saved(picture, file_format)) == 8
    twelve = bytearray(saved(picture, "JPEG"))
    at = twelve.index(b"\xff\xc0")
    twelve[at + 4] = 12
    assert sample_bits(bytes(twelve)) == 12
    deep = saved(PillowImage.fromarray(photo[..., 0].astype(np.uint16) * 16), "JPEG2000")
    assert sample_bits(deep) == 16


def test_avif_of_ten_and_twelve_bits(photo: Image) -> None:
    data = bytearray(saved(PillowImage.fromarray(photo), "AVIF"))
    at = data.index(b"av1C") + 4
    data[at + 2] |= 0x40
    assert sample_bits(bytes(data)) == 10
    data[at + 2] |= 0x20
    assert sample_bits(bytes(data)) == 12


STARTS = (b"\x89PNG\r\n\x1a\n", b"P6", b"\xff\xd8", b"II*\0", b"MM", b"\xff\x4f\xff\x51", b"", b"\0\0\0\x14ftyp")


@pytest.mark.parametrize("start", STARTS)
def test_a_header_that_is_cut_off_is_left_to_the_decoder(start: bytes) -> None:
    for length in range(24):
        assert sample_bits(start + bytes(length)) <= 16
