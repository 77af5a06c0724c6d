from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.codecs.bpg import Bpg, container, hevc
from isorate.codecs.bpg import embedded as back_end
from isorate.codecs.bpg.bits import BitReader, BitWriter, nal_unit, payload, split_nal_units
from isorate.codecs.bpg.container import Header, pack_ue7, read_ue7
from isorate.errors import BitstreamError
from isorate.image import Image


@given(st.integers(0, 2**32 - 1), st.binary(max_size=3))
def test_ue7_numbers_survive(value: int, rest: bytes) -> None:
    packed = pack_ue7(value)
    assert read_ue7(packed + rest, 0) == (value, len(packed))


def test_ue7_numbers_of_the_specification() -> None:
    assert [pack_ue7(n).hex() for n in (8, 542, 728855)] == ["08", "841e", "acbe17"]


@pytest.mark.parametrize("packed", [b"\x80\x01", b"\xff" * 5, b"\xff\xff\xff\xff\xff\x01", b"\x90\x80\x80\x80\x00"])
def test_overlong_ue7_numbers_are_refused(packed: bytes) -> None:
    with pytest.raises(BitstreamError, match=r"shortest form|exceeds 32 bits"):
        read_ue7(packed, 0)


@pytest.mark.parametrize("packed", [b"", b"\x84", b"\x81\x80\x80"])
def test_truncated_ue7_numbers_are_refused(packed: bytes) -> None:
    with pytest.raises(BitstreamError, match="ends early"):
        read_ue7(packed, 0)


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 2**32 - 2)), max_size=20))
def test_bits_survive(codes: list[tuple[int, int]]) -> None:
    writer = BitWriter()
    for width, value in codes:
        writer.u(width, value & ((1 << width) - 1))
        writer.ue(value)
    reader = BitReader(writer.rbsp())
    for width, value in codes:
        assert reader.u(width) == value & ((1 << width) - 1)
        assert reader.ue() == value


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00" * 9])
def test_bits_end_in_an_error(data: bytes) -> None:
    with pytest.raises(BitstreamError):
        BitReader(data).ue()


@given(st.lists(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 255]), max_size=12).map(bytes), min_size=1, max_size=4))
def test_nal_units_survive_emulation_and_concatenation(contents: list[bytes]) -> None:
    units = [nal_unit(34, content + b"\x80") for content in contents]
    assert split_nal_units(b"\x00\x00\x00\x01".join([b"", *units]) + b"\x00\x00") == units
    assert [payload(unit) for unit in units] == [content + b"\x80" for content in contents]


def test_zeros_that_no_start_code_ends_are_read_once() -> None:
    """Looked through from each of them on, a megabyte took hours."""
    stream = bytes(10**6) + b"\x02" + bytes(10**6)
    assert split_nal_units(stream) == [stream[: 10**6 + 1]]


@given(
    st.builds(
        Header,
        width=st.integers(1, 8000),
        height=st.integers(1, 8000),
        pixel_format=st.integers(1, 5),
        color_space=st.integers(0, 4),
        bit_depth=st.integers(8, 14),
        limited_range=st.booleans(),
    ),
    st.binary(min_size=1, max_size=40),
)
def test_headers_survive(header: container.Header, body: bytes) -> None:
    data = header.pack(body)
    unpacked, at, end = container.unpack(data)
    assert (unpacked, data[at:end]) == (header, body)


@pytest.mark.parametrize(
    ("formats", "reason"),
    [
        (b"\x70\x00", "alpha"),
        (b"\x70\x04", "alpha"),
        (b"\x60\x04", "CMYK"),
        (b"\x60\x01", "animation"),
        (b"\xc0\x00", "pixel format 6"),
        (b"\x67\x00", "bit depth 15"),
        (b"\x60\x50", "colour space 5"),
        (b"\x00\x10", "gray"),
    ],
)
def test_unsupported_pictures_are_refused_by_name(
    formats: bytes, reason: str, stream: Callable[[str], bytes], embedded: Bpg
) -> None:
    data = stream("astronaut_x265_444_8bit_q44")
    with pytest.raises(BitstreamError, match=reason):
        embedded.decode(data[:4] + formats + data[6:])


@pytest.mark.parametrize("bit_depth", [11, 13, 14])
def test_bit_depths_that_ffmpeg_lacks_are_refused(
    bit_depth: int, stream: Callable[[str], bytes], embedded: Bpg
) -> None:
    data = stream("astronaut_x265_444_8bit_q44")
    with pytest.raises(BitstreamError, match=f"{bit_depth} bits"):
        embedded.decode(data[:4] + bytes([0x60 | bit_depth - 8]) + data[5:])


@pytest.mark.parametrize(
    ("width", "height"), [(0, 5), (5, 0), (2**31, 2**31), (2**32 - 1, 1), (1 << 14, 1 << 13), (1 << 20, 100)]
)
def test_hostile_sizes_are_refused_before_anything_is_decoded(
    width: int, height: int, stream: Callable[[str], bytes], embedded: Bpg, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = stream("astronaut_x265_444_8bit_q44")
    monkeypatch.setattr(hevc, "decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(BitstreamError, match=f"{width}×{height}"):
        embedded.decode(data[:6] + pack_ue7(width) + pack_ue7(height) + data[10:])


def test_extensions_are_skipped(
    stream: Callable[[str], bytes],
    embedded: Bpg,
    expected: Callable[[str], tuple[tuple[int, ...], str]],
    fingerprint: Callable[[Image], tuple[tuple[int, ...], str]],
) -> None:
    name = "astronaut_x265_444_8bit_q44"
    data = stream(name)
    extended = data[:5] + b"\x08" + data[6:11] + b"\x05\x01\x03abc" + data[11:]
    assert fingerprint(embedded.decode(extended)) == expected(name)
    with pytest.raises(BitstreamError, match="truncated"):
        embedded.decode(data[:5] + b"\x08" + data[6:11] + pack_ue7(2**32 - 1) + data[11:])


@pytest.mark.parametrize(
    "unit", [b"\x40\x01\x80", b"\x42\x01\x80", b"\x44\x09\x80", b"\x02\x01\x80", b"\x44\x01", b"\x26\x01\x80"]
)
def test_units_that_a_still_has_no_use_for_are_refused(
    unit: bytes, stream: Callable[[str], bytes], embedded: Bpg
) -> None:
    with pytest.raises(BitstreamError, match=r"NAL unit|pictures"):
        embedded.decode(stream("astronaut_x265_444_8bit_q44") + b"\x00\x00\x01" + unit)


@given(st.binary(max_size=60))
def test_any_bytes_are_no_crash(data: bytes) -> None:
    for start in (b"", container.MAGIC, b"BPG\xfb\x60\x00\x08\x08\x00\x03\x92\x47\x40"):
        with pytest.raises(BitstreamError):
            back_end.decode(start + data)
