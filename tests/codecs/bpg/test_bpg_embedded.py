import math
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isorate.codecs.bpg import Bpg, container, hevc
from isorate.codecs.bpg import embedded as back_end
from isorate.codecs.bpg.codec import Level
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, UsageError
from isorate.image import Image

DETERMINISTIC_NOISE = np.random.default_rng(3).integers(0, 256, (80, 80, 3), dtype=np.uint8)


def psnr(a: Image, b: Image) -> float:
    error = np.mean((a.astype(float) - b) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else math.inf


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(0, 51),
    st.sampled_from(["444", "422", "420"]),
    st.sampled_from([8, 10, 12]),
    st.booleans(),
)
def test_any_size_content_and_quality_survive(
    height: int, width: int, qp: int, chroma: Literal["444", "422", "420"], bit_depth: Literal[8, 10, 12], smooth: bool
) -> None:
    image = DETERMINISTIC_NOISE[:height, :width]
    if smooth:
        image = np.full_like(image, image[0, 0])
    codec = Bpg("embedded", chroma=chroma, bit_depth=bit_depth, level=1)
    data = codec.encode(image, qp)
    decoded = codec.decode(data)
    assert decoded.shape == image.shape
    assert decoded.dtype == np.uint8
    assert 0 < (codec.header_bytes(data) or 0) < len(data)
    if smooth:
        assert np.abs(decoded.astype(int) - image).max() <= 20
    elif qp == 0 and chroma == "444":
        assert psnr(image, decoded) > 45


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (8, 8), (9, 9), (15, 17), (64, 8)])
def test_small_and_narrow_pictures_keep_their_colour(size: tuple[int, int], astronaut: Image, embedded: Bpg) -> None:
    image = np.ascontiguousarray(astronaut[30 : 30 + size[0], 20 : 20 + size[1]])
    decoded = embedded.decode(embedded.encode(image, 20))
    assert decoded.shape == image.shape
    assert psnr(image, decoded) > 33


def test_rate_and_quality_fall_as_qp_rises(photo: Image, embedded: Bpg) -> None:
    streams = [embedded.encode(photo, qp) for qp in range(4, 52, 6)]
    sizes = [len(data) for data in streams]
    qualities = [psnr(photo, embedded.decode(data)) for data in streams]
    assert sizes == sorted(sizes, reverse=True)
    assert qualities == sorted(qualities, reverse=True)
    assert not embedded.knob.rising


def test_quality_is_in_bpgencs_range(coffee: Image, embedded: Bpg) -> None:
    image = np.ascontiguousarray(coffee[:256, :384])
    data = embedded.encode(image, 30)
    assert len(data) * 8 / (256 * 384) == pytest.approx(1.1, abs=0.35)
    assert psnr(image, embedded.decode(data)) > 33


@pytest.mark.parametrize(
    ("options", "pixel_format", "bit_depth"),
    [
        ({}, container.CHROMA_444, 8),
        ({"chroma": "422"}, container.CHROMA_422, 8),
        ({"chroma": "420", "bit_depth": 10}, container.CHROMA_420, 10),
        ({"chroma": 444, "bit_depth": 12}, container.CHROMA_444, 12),
    ],
)
def test_options_reach_the_header(options: dict[str, Any], pixel_format: int, bit_depth: int, photo: Image) -> None:
    codec = Bpg("embedded", level=1, **options)
    header, _, _ = back_end.parse(codec.encode(photo, 40))
    assert (header.width, header.height) == (photo.shape[1], photo.shape[0])
    assert (header.pixel_format, header.bit_depth) == (pixel_format, bit_depth)
    assert (header.color_space, header.limited_range) == (container.YCBCR, False)
    assert codec.options == {"encoder": "x265", "chroma": "444", "bit_depth": 8, "level": 1} | {
        key: str(value) if key == "chroma" else value for key, value in options.items()
    }


def test_level_reaches_the_encoder(photo: Image) -> None:
    assert Bpg("embedded", level=1).encode(photo, 30) != Bpg("embedded", level=8).encode(photo, 30)


def test_encoding_is_deterministic(photo: Image, embedded: Bpg) -> None:
    assert embedded.encode(photo, 33) == Bpg("embedded").encode(photo, 33.0)


def test_back_end_names_x265_and_pyav_with_their_versions(embedded: Bpg) -> None:
    import av

    assert embedded.backend.startswith("x265 ")
    assert embedded.backend[5].isdigit()
    assert embedded.backend.endswith(f" via PyAV {av.__version__}")
    assert "bpgenc" not in embedded.backend


def test_missing_pyav_is_unavailable_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CodecUnavailableError, match="pip install av"):
        hevc.load_av()


@pytest.mark.parametrize(("height", "width"), [(1, 20000), (9000, 20)])
def test_very_long_pictures(height: int, width: int, embedded: Bpg) -> None:
    image = np.full((height, width, 3), (200, 90, 30), np.uint8)
    assert np.abs(embedded.decode(embedded.encode(image, 20)).astype(int) - image).max() <= 2


@pytest.mark.parametrize("qp", [-1, 52, 30.5, float("nan")])
def test_quality_outside_the_knob_is_refused(qp: float, photo: Image, embedded: Bpg) -> None:
    with pytest.raises(UsageError, match="qp"):
        embedded.encode(photo, qp)


@pytest.mark.parametrize(
    "options",
    [
        {"backend": "libbpg"},
        {"encoder": "x264"},
        {"chroma": "411"},
        {"bit_depth": 9},
        {"level": 0},
        {"backend": "embedded", "encoder": "jctvc"},
    ],
)
def test_unknown_options_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=list(options)[-1]):
        Bpg(**options)


def test_too_large_pictures_are_refused_by_the_one_limit(embedded: Bpg) -> None:
    image = np.broadcast_to(np.uint8(0), (2**14, 2**14 + 1, 3))
    with pytest.raises(CodecError, match="16385×16384 exceeds isorate's limit of 268435456 pixels"):
        embedded.encode(image, 30)


@pytest.mark.parametrize("size", [(2**14, 2**14), (1, 2**22), (2**22, 1)])
def test_ffmpegs_own_limit_is_named_before_any_work(
    size: tuple[int, int], embedded: Bpg, stream: Callable[[str], bytes]
) -> None:
    with pytest.raises(CodecError, match=r"FFmpeg's limit of 8·\(width \+ 128\)"):
        embedded.encode(np.broadcast_to(np.uint8(0), (*size, 3)), 30)
    data = stream("astronaut_x265_444_8bit_q20")
    data = data[:6] + container.pack_ue7(size[1]) + container.pack_ue7(size[0]) + data[10:]
    with pytest.raises(BitstreamError, match="FFmpeg's limit"):
        embedded.decode(data)


@pytest.mark.parametrize("level", range(1, 10))
def test_every_level_codes_every_small_size(level: Level, astronaut: Image) -> None:
    codec = Bpg("embedded", level=level)
    for height, width in ((1, 1), (1, 40), (8, 8), (9, 9), (12, 31), (16, 16), (24, 24), (25, 64), (64, 17), (33, 31)):
        image = np.ascontiguousarray(astronaut[30 : 30 + height, 20 : 20 + width])
        assert psnr(image, codec.decode(codec.encode(image, 20))) > 33


@pytest.mark.slow
def test_a_picture_beyond_every_level_of_hevc(astronaut: Image) -> None:
    image = np.zeros((5000, 7200, 3), np.uint8)
    assert image[..., 0].size > 35_651_584  # luma samples of level 6.2 (H.265, table A.8)
    image[1000:1512, 6600:7112] = astronaut
    codec = Bpg("embedded", level=1)
    decoded = codec.decode(codec.encode(image, 40))
    assert decoded.shape == image.shape
    assert psnr(decoded[1000:1512, 6600:7112], astronaut) > 27
