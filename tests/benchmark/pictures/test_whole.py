"""Well-formed files that hold fewer samples than their picture has are no pictures."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFile

from isorate.codecs.pillow_decode import decode_with_pillow
from isorate.datasets.images import load_image
from isorate.errors import BitstreamError, ImageError
from isorate.image import Image
from isorate.pictures.jpeg2000 import TILE_PART, check_main_header, read_siz
from isorate.pictures.whole import CHUNK

COLOUR, PALETTE = 2, 3


def png(rows: bytes, size: tuple[int, int], colour: int = COLOUR, palette: bytes = b"", interlaced: int = 0) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, colour, 0, 0, interlaced))
    table = chunk(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + head + table + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rows_of(samples: Image) -> bytes:
    return b"".join(b"\0" + row.tobytes() for row in samples)


def jpeg(photo: Image, **options: Any) -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(photo).save(out, "JPEG", quality=90, **options)
    return out.getvalue()


def read(folder: Path, data: bytes) -> Image:
    path = folder / "image"
    path.write_bytes(data)
    return load_image(path).pixels


def refused(folder: Path, data: bytes, said: str) -> None:
    with pytest.raises(ImageError, match=f"image: damaged image: {said}.*; replace the file"):
        read(folder, data)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_png_whose_samples_end_behind_a_row(tmp_path: Path, photo: Image, share: float) -> None:
    rows, size = rows_of(photo), photo.shape[1::-1]
    held = int(share * len(photo)) * (len(rows) // len(photo))
    data = png(rows[:held], size)
    refused(tmp_path, data, f"its data end after {held} of {len(rows)} bytes")
    refused(tmp_path, png(rows[: held + 1], size), "image file is truncated")
    with pytest.raises(BitstreamError, match=r"damaged PNG stream .* its data end after"):
        decode_with_pillow(data, "PNG")
    assert np.array_equal(read(tmp_path, png(rows, size)), photo)


def test_a_png_with_a_black_edge_is_whole(tmp_path: Path, photo: Image) -> None:
    framed = photo.copy()
    framed[-3:] = 0
    assert np.array_equal(read(tmp_path, png(rows_of(framed), photo.shape[1::-1])), framed)
    black = np.zeros((5, 7, 3), np.uint8)
    for mode in ("RGB", "RGBA", "L", "LA", "1", "P"):
        out = io.BytesIO()
        picture = PillowImage.fromarray(black).convert(mode)
        if "A" in mode:
            picture.putalpha(255)
        picture.save(out, "PNG")
        assert not read(tmp_path, out.getvalue()).any()


def test_what_lies_behind_a_pngs_samples_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    black = np.zeros((5, 7, 3), np.uint8)
    data = png(rows_of(black) + bytes(8 * CHUNK), (7, 5))
    unpacked = []
    start = zlib.decompressobj

    class Counted:
        def __init__(self) -> None:
            self.inner = start()

        def decompress(self, packed: bytes, most: int) -> bytes:
            found = self.inner.decompress(packed, most)
            unpacked.append(len(found))
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    monkeypatch.setattr(zlib, "decompressobj", Counted)
    assert not read(tmp_path, data).any()
    assert 0 < sum(unpacked) <= CHUNK


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (4, 3), (33, 20)])
def test_an_interlaced_png(tmp_path: Path, photo: Image, size: tuple[int, int]) -> None:
    cut = photo[: size[1], : size[0]]
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = [part for x, y, dx, dy in passes if (part := cut[y::dy, x::dx]).size]
    rows = b"".join(map(rows_of, parts))
    assert np.array_equal(read(tmp_path, png(rows, size, interlaced=1)), cut)
    refused(tmp_path, png(rows[: -len(rows_of(parts[-1][:1]))], size, interlaced=1), "its data end after")


def test_a_colour_beyond_the_palette(tmp_path: Path, photo: Image) -> None:
    index = photo[..., 0] // 64  # 0..3
    size = photo.shape[1::-1]
    colours = bytes(range(30, 42))
    assert read(tmp_path, png(rows_of(index), size, PALETTE, colours)).shape == photo.shape
    refused(tmp_path, png(rows_of(index), size, PALETTE, colours[:9]), "it uses colour 3 of a palette of 3")
    refused(tmp_path, png(rows_of(index), size, PALETTE), "it uses colour 3 of a palette of 0")


def test_a_sample_above_the_largest_value(tmp_path: Path, photo: Image) -> None:
    size = f"{photo.shape[1]} {photo.shape[0]}".encode()
    assert read(tmp_path, b"P6 " + size + b" 127\n" + (photo // 2).tobytes()).shape == photo.shape
    refused(tmp_path, b"P6 " + size + b" 100\n" + photo.tobytes(), "it has a sample of 255, its largest value is 100")
    refused(tmp_path, b"P5 " + size + b" 100\n" + photo[..., 0].tobytes(), "it has a sample of")


@pytest.mark.parametrize("options", [
    {}, {"subsampling": 0}, {"restart_marker_rows": 1}, {"progressive": True}, {"progressive": True, "subsampling": 0},
])  # fmt: skip
@pytest.mark.parametrize("grey", [False, True])
def test_a_jpeg_that_was_cut_and_ended(tmp_path: Path, photo: Image, options: dict[str, Any], *, grey: bool) -> None:
    if grey:
        photo, options = photo[..., 1].copy(), {key: value for key, value in options.items() if key != "subsampling"}
    data = jpeg(photo, **options)
    assert read(tmp_path, data).shape[:2] == photo.shape[:2]
    for share in (0.3, 0.5, 0.75, 0.9, 0.95):
        cut = data[: int(share * len(data))].removesuffix(b"\xff") + b"\xff\xd9"
        refused(tmp_path, cut, "(its data end early|scans are missing|image file is truncated)")


def test_a_stream_that_was_cut_is_no_picture_of_the_codec(photo: Image) -> None:
    data = jpeg(photo)
    with pytest.raises(BitstreamError, match="its data end early"):
        decode_with_pillow(data[: len(data) // 2] + b"\xff\xd9", "JPEG")


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_jpeg_with_a_flat_corner_is_whole(tmp_path: Path, photo: Image, level: int) -> None:
    flat = photo.copy()
    flat[-40:, -40:] = level
    assert read(tmp_path, jpeg(flat)).shape == photo.shape
    assert read(tmp_path, jpeg(np.full((50, 50, 3), level, np.uint8))).shape == (50, 50, 3)
    assert read(tmp_path, jpeg(flat) + b"trailing" * 9).shape == photo.shape


def test_a_jpeg_2000_file_without_a_tile(tmp_path: Path, photo: Image) -> None:
    out = io.BytesIO()
    PillowImage.fromarray(photo).save(out, "JPEG2000", no_jp2=True, tile_size=(64, 64))
    data = out.getvalue()
    assert read(tmp_path, data).shape == photo.shape
    first = check_main_header(data, read_siz(data))
    size = TILE_PART.unpack_from(data, first)[3]
    refused(tmp_path, data[:first] + data[first + size :], "JPEG 2000 stream lacks 1 of its")


@pytest.mark.parametrize("name", ["JPEG", "BMP", "PPM", "GIF"])
def test_a_package_that_wants_what_is_there_of_a_cut_file_changes_nothing(
    name: str, tmp_path: Path, photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many packages ask Pillow for that when they are imported, a plug-in among them."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    out = io.BytesIO()
    PillowImage.fromarray(photo).save(out, name)
    cut = out.getvalue()[: len(out.getvalue()) // 2]
    refused(tmp_path, cut, "")
    with pytest.raises(BitstreamError, match=f"damaged {name} stream"):
        decode_with_pillow(cut, name)
    assert ImageFile.LOAD_TRUNCATED_IMAGES
