"""Damaged streams: an error that says so, in the time of a normal decode, and never a wrong picture."""

import os
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isorate.codecs.learned import LearnedCodec
from isorate.codecs.learned.bitstream.header import pack, unpack
from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.latents import estimated_bits, hyper_size, run_priors, symbol_count
from isorate.codecs.learned.bitstream.symbols import SPARE_BITS
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder, read_picture
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


@pytest.mark.parametrize("size", [(8192, 8192), (16384, 16384), (1, 2**22), (2**22, 1), (300, 300)])
def test_an_empty_giant_ends_at_once(codec: LearnedCodec, size: tuple[int, int]) -> None:
    head, payload = unpack(STREAM)
    chance = np.random.default_rng(0)
    for filling in (b"", payload, payload[:200], chance.bytes(3000), b"\xff" * 3000, b"\1" + bytes(3000) + b"\1"):
        started = time.perf_counter()
        with pytest.raises(BitstreamError):
            codec.decode(pack(replace(head, height=size[0], width=size[1]), filling))
        assert time.perf_counter() - started < 5


KNOBS = st.tuples(st.integers(0, 5 * 1024), st.integers(0, 1024))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**24 - 1), KNOBS)
@example(400, 400, 0, (5 * 1024, 1024))
@example(400, 400, 2**24 - 1, (5 * 1024, 1024))
@example(1, 1, 0, (5 * 1024, 1024))
def test_no_file_is_below_the_floor(
    tiny: Network, height: int, width: int, colour: int, knobs: tuple[int, int]
) -> None:
    """Flat pictures are the smallest files: their symbols are worth less than their payload and the spare bits."""
    samples = np.array([colour >> 16, colour >> 8 & 255, colour & 255], np.uint8)
    image = np.broadcast_to(samples, (height, width, 3)).copy()
    with torch.no_grad():
        coded = PictureEncoder(tiny, image).code(KnobCodes(*knobs))
        steps, _ = run_priors(coded.latents, tiny.conditioned(coded.codes))
    payload = 8 * len(unpack(coded.data)[1])
    count = symbol_count(hyper_size(height, width), tiny.config.hyper_channels, tiny.config.latent_channels)
    assert sum(len(step.symbols) for step in steps) == count
    assert count * tiny.tables.costs.min() <= estimated_bits(steps, tiny.tables) <= payload + 64 < payload + SPARE_BITS
    assert read_picture(tiny, coded.data).shape == image.shape


@pytest.mark.slow
def test_a_large_flat_picture_is_above_the_floor() -> None:
    codec = LearnedCodec(threads=1)
    image = np.full((1024, 1536, 3), (120, 130, 90), np.uint8)
    data = codec.encode(image, codec.knob.high, codec.fine_knob.high)
    assert np.abs(codec.decode(data).astype(int) - image).max() < 20
