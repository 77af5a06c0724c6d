from collections.abc import Callable

import pytest

from isorate.codecs.bpg import Bpg, parameters
from isorate.codecs.bpg import embedded as back_end
from isorate.codecs.bpg.bits import unit_type
from isorate.codecs.bpg.hevc import INTRA_SLICES
from isorate.codecs.bpg.parameter_sets import first_slice_qp
from isorate.errors import BitstreamError, CodecUnavailableError
from isorate.image import Image


def test_golden_streams_decode_to_bpgdecs_pixels(
    lossy: str,
    stream: Callable[[str], bytes],
    expected: Callable[[str], tuple[tuple[int, ...], str]],
    fingerprint: Callable[[Image], tuple[tuple[int, ...], str]],
    embedded: Bpg,
) -> None:
    assert fingerprint(embedded.decode(stream(lossy))) == expected(lossy)


@pytest.mark.parametrize("name", ["coffee_jctvc_444_12bit_q49_hash", "coffee_jctvc_444_10bit_q51_hash"])
def test_a_picture_hash_is_checked(name: str, stream: Callable[[str], bytes], embedded: Bpg) -> None:
    data = bytearray(stream(name))
    data[-2] ^= 1
    with pytest.raises(BitstreamError, match="damaged"):
        embedded.decode(bytes(data))


@pytest.mark.parametrize("name", ["coffee_jctvc_444_12bit_q50_hash", "coffee_jctvc_444_12bit_q49_hash"])
def test_the_quantization_parameter_of_the_first_slice_is_read(name: str, stream: Callable[[str], bytes]) -> None:
    header, coding, units = back_end.parse(stream(name))
    assert first_slice_qp(units, coding, header) == int(name.split("_")[4][1:])


def test_lossless_streams_are_refused_rather_than_decoded_wrongly(
    stream: Callable[[str], bytes], embedded: Bpg
) -> None:
    with pytest.raises(CodecUnavailableError, match="implicit RDPCM"):
        embedded.decode(stream("chelsea_jctvc_444_8bit_lossless"))


def test_real_bpgdec_decodes_every_golden_stream(
    golden: str,
    stream: Callable[[str], bytes],
    expected: Callable[[str], tuple[tuple[int, ...], str]],
    fingerprint: Callable[[Image], tuple[tuple[int, ...], str]],
    bpgenc: Bpg,
) -> None:
    assert fingerprint(bpgenc.decode(stream(golden))) == expected(golden)


def test_coding_parameters_are_written_as_they_were_read(golden: str, stream: Callable[[str], bytes]) -> None:
    data = stream(golden)
    _, coding, _ = back_end.parse(data)
    packed = coding.pack()
    assert parameters.unpack(packed) == coding
    assert bytes([len(packed)]) + packed in data[:20]


def test_header_ends_where_the_first_slice_begins(golden: str, stream: Callable[[str], bytes], embedded: Bpg) -> None:
    data = stream(golden)
    at = embedded.header_bytes(data)
    assert at is not None
    assert 20 < at < 30
    assert data[at - 3 : at] == b"\x00\x00\x01"
    assert unit_type(data[at:]) in INTRA_SLICES
