import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.codecs.learned.bitstream.header import Header, pack, unpack
from isorate.codecs.learned.bitstream.knobs import BIN_CODES, KnobCodes
from isorate.errors import BitstreamError
from isorate.image import MAX_PIXELS

KODAK = Header(0xABCD, KnobCodes(1234, 567), 0x01020304, 512, 768)


def sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "big")


@given(
    st.integers(0, 0xFFFF), st.integers(0, 5 * 1024), st.integers(0, BIN_CODES - 1), st.integers(0, 2**32 - 1),
    st.integers(1, 16384), st.integers(1, 16384), st.binary(max_size=50),
)  # fmt: skip
def test_what_is_packed_is_unpacked(
    model_id: int, lmbda: int, bin_size: int, crc: int, height: int, width: int, payload: bytes
) -> None:
    header = Header(model_id, KnobCodes(lmbda, bin_size), crc, height, width)
    assert unpack(pack(header, payload)) == (header, payload)


def test_every_byte_is_where_the_page_says() -> None:
    data = pack(KODAK, b"payload")
    assert data[:2] == "λ".encode()
    assert data[2] == 1
    assert data[3:5] == b"\xab\xcd"
    assert int.from_bytes(data[5:8], "big") == 1234 << 11 | 567
    assert data[8:12] == b"\1\2\3\4"
    assert data[12:16] == bytes([768 % 128 | 128, 768 // 128, 512 % 128 | 128, 512 // 128])
    assert data[16:-4] == b"payload"
    assert data[-4:] == zlib.crc32(data[:-4]).to_bytes(4, "big")


def test_the_header_takes_16_bytes_at_kodaks_size() -> None:
    assert len(pack(KODAK, b"")) - 4 == 16


@pytest.mark.parametrize("length", range(27))
def test_truncation_at_every_byte(length: int) -> None:
    with pytest.raises(BitstreamError):
        unpack(pack(KODAK, b"payload")[:length])


def test_messages_say_what_is_wrong() -> None:
    data = pack(KODAK, b"payload")
    for wrong, message in (
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "not a stream of this codec"),
        (b"", "not a stream of this codec"),
        (data[:2] + b"\2" + data[3:], "format version 2"),
        (data[:-1], "truncated"),
        (data[:10], "truncated"),
        (data[:20] + b"\0" + data[21:], "damaged"),
        (sealed(data[:12] + b"\0\1" + b"xxxxx"), "not possible"),
        (sealed(data[:12] + b"\xff\xff\xff\xff\7" * 2), "exceeds isorate's limit"),
        (sealed(data[:12] + b"\xff" * 10), "has no end"),
        (sealed(data[:5] + b"\0\7\xff" + data[8:-4]), "bin size code"),
    ):
        with pytest.raises(BitstreamError, match=message):
            unpack(wrong)


def test_a_giant_picture_is_refused_before_anything_is_allocated() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    for height, width in ((side, side), (2**28, 1), (1, 2**28), (2**22 + 1, 1), (64, 2**22 + 1)):
        with pytest.raises(BitstreamError, match=r"is coded as .* which exceeds isorate's limit of 268435456 pixels"):
            unpack(pack(Header(1, KnobCodes(0, 0), 0, height, width), b""))
