"""Damaged streams: an error that says so, in the time of a normal decode, and never a wrong picture."""

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from isorate.codecs.learned import LearnedCodec
from isorate.codecs.learned.tools.fuzz import fuzz
from isorate.errors import BitstreamError
from isorate.image import Image

STREAMS = Path(__file__).parents[2] / "data" / "learned" / "tiny"
STREAM = (STREAMS / "chelsea_1x65_0.0001_0.5.iso").read_bytes()
COUNT = int(os.environ.get("ISORATE_FUZZ", "500"))


@pytest.mark.parametrize("seed", [0, 1])
def test_mutated_streams_are_refused(codec: LearnedCodec, seed: int) -> None:
    """ISORATE_FUZZ sets how many; ``isorate learned fuzz`` does the same for any stream."""
    report = fuzz(codec, STREAM, COUNT // 2, seed)
    assert report.outcomes["wrong picture"] == 0
    assert report.outcomes["refused"] >= 0.99 * (COUNT // 2)
    assert report.slowest < 20 * report.normal + 1


def test_truncation_at_every_byte(codec: LearnedCodec) -> None:
    for length in range(len(STREAM)):
        with pytest.raises(BitstreamError):
            codec.decode(STREAM[:length])


def test_a_claim_of_a_giant_picture_costs_nothing(codec: LearnedCodec) -> None:
    data = bytearray(STREAM)
    data[12:14] = b"\xff\xff\x7f\xff\xff\x7f"  # 2097151 × 2097151 pixels, checksum not made right
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(BitstreamError):
        codec.decode(bytes(data))
    assert time.perf_counter() - started < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"\xce\xbb", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000), b"\xff" * 1000])
def test_foreign_data_is_refused(codec: LearnedCodec, data: bytes) -> None:
    with pytest.raises(BitstreamError, match=r"not a stream|truncated|version|damaged"):
        codec.decode(data)


def test_two_streams_in_one_are_refused(codec: LearnedCodec) -> None:
    with pytest.raises(BitstreamError):
        codec.decode(STREAM + STREAM)


def test_an_error_leaves_the_codec_usable(photo: Image) -> None:
    codec = LearnedCodec(str(STREAMS.parent / "tiny.safetensors"), threads=1)
    data = codec.encode(photo, 0.01)
    before = codec.decode(data)
    with pytest.raises(BitstreamError):
        codec.decode(data[:-5])
    np.testing.assert_array_equal(codec.decode(data), before)
