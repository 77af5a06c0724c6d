import io
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL.JpegImagePlugin import JpegImageFile

from isorate.codecs.jpeg import CHROMINANCE, LUMINANCE, Jpeg, scaled_table
from isorate.errors import BitstreamError, CodecError, UsageError
from isorate.image import Image


@pytest.mark.parametrize("quality", [1, 7, 49, 50, 51, 90, 100])
@pytest.mark.parametrize("chroma", ["420", "444"])
def test_continuous_quality_at_whole_numbers_is_the_encoders_own(
    photo: Image, quality: int, chroma: Literal["420", "444"]
) -> None:
    assert Jpeg("continuous", chroma).encode(photo, quality) == Jpeg("integer", chroma).encode(photo, quality)


@given(st.floats(1, 99.9), st.floats(0.001, 0.1))
@example(13, 0.005)  # libjpeg's whole percentages once made the finer of these two the coarser
def test_tables_fall_as_quality_rises(quality: float, step: float) -> None:
    for base in (LUMINANCE, CHROMINANCE):
        coarse, fine = scaled_table(base, quality), scaled_table(base, quality + step)
        assert all(a >= b for a, b in zip(coarse, fine, strict=True))
        assert all(1 <= entry <= 255 for entry in coarse)


@pytest.mark.parametrize(("options", "expected"), [
    ({"chroma": "420"}, (2, 2)), ({"chroma": "444"}, (1, 1)),
])  # fmt: skip
def test_chroma_subsampling_is_what_was_asked_for(
    photo: Image, options: dict[str, Any], expected: tuple[int, int]
) -> None:
    with PillowImage.open(io.BytesIO(Jpeg(**options).encode(photo, 50))) as picture:
        assert isinstance(picture, JpegImageFile)
        assert picture.layer[0][1:3] == expected


def test_progressive_and_huffman_options_reach_the_file(photo: Image) -> None:
    plain = Jpeg().encode(photo, 30)
    with PillowImage.open(io.BytesIO(Jpeg(progressive=True).encode(photo, 30))) as picture:
        assert picture.info["progressive"]
    assert len(Jpeg(optimize=False).encode(photo, 30)) > len(plain)


def test_header_ends_where_the_scan_begins(photo: Image) -> None:
    codec = Jpeg()
    data = codec.encode(photo, 10)
    header = codec.header_bytes(data)
    assert header is not None
    assert 200 < header < 700
    assert data[header - 12 - 2 : header - 12] == b"\xff\xda"


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(1, 100))
def test_any_size_keeps_its_shape(height: int, width: int, quality: float) -> None:
    image = np.full((height, width, 3), 77, np.uint8)
    codec = Jpeg()
    assert codec.decode(codec.encode(image, quality)).shape == image.shape


def test_damage_is_told(photo: Image) -> None:
    codec = Jpeg()
    data = codec.encode(photo, 20)
    for bad in (b"", b"text", data[:50], data[: len(data) // 2], b"\x89PNG\r\n\x1a\n" + data):
        with pytest.raises(BitstreamError, match=r"(JPEG stream|damaged)"):
            codec.decode(bad)


def test_unusable_options_and_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="chroma"):
        Jpeg(chroma="411")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="mode"):
        Jpeg(mode="best")  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="too large"):
        Jpeg().encode(np.zeros((1, 70000, 3), np.uint8), 10)


NOISE = np.random.default_rng(1).integers(0, 256, (512, 512, 3), dtype=np.uint8)


@pytest.mark.parametrize("chroma", ["420", "444"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": False}, {"mode": "integer"}])
@pytest.mark.parametrize("quality", [60, 94, 100])
def test_noise_is_coded_in_every_mode(chroma: Literal["420", "444"], options: dict[str, Any], quality: int) -> None:
    codec = Jpeg(chroma=chroma, **options)
    for image in (NOISE, NOISE[:1], NOISE[:, :7]):
        assert codec.decode(codec.encode(np.ascontiguousarray(image), quality)).shape == image.shape


def test_the_limit_is_named_and_is_no_damage() -> None:
    with pytest.raises(CodecError, match="jpeg: 16385×16384 exceeds isorate's limit of 268435456 pixels"):
        Jpeg().encode(np.broadcast_to(np.uint8(0), (16384, 16385, 3)), 10)
    data = bytearray(Jpeg().encode(NOISE[:8, :8], 10))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = b"\x40\x01\x40\x00"
    with pytest.raises(BitstreamError, match="exceeds isorate's limit of 268435456 pixels"):
        Jpeg().decode(bytes(data) + bytes(2**20))
    data[at : at + 4] = b"\x40\x00\x40\x00"
    with pytest.raises(BitstreamError, match="bytes cannot hold a picture of 16384×16384 pixels"):
        Jpeg().decode(bytes(data))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("chroma", ["420", "444"])
def test_flat_pictures_are_above_the_shortest_length(progressive: bool, chroma: Literal["420", "444"]) -> None:
    codec = Jpeg(chroma=chroma, progressive=progressive)
    for shape in ((1, 1), (1, 9000), (9000, 1), (1500, 2000)):
        image = np.full((*shape, 3), 99, np.uint8)
        assert codec.decode(codec.encode(image, 1)).shape == image.shape


def test_another_colour_or_depth_is_refused(photo: Image) -> None:
    out = io.BytesIO()
    PillowImage.fromarray(photo).convert("CMYK").save(out, "JPEG")
    with pytest.raises(BitstreamError, match="CMYK samples"):
        Jpeg().decode(out.getvalue())
    data = bytearray(Jpeg().encode(photo, 10))
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(BitstreamError, match="12 bits a sample"):
        Jpeg().decode(bytes(data))
