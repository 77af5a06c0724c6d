"""The adapter: sizes, determinism, damaged files, golden streams."""

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from isorate.codecs.overfitted import OverfittedCodec
from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.tools.fuzz import fuzz
from isorate.codecs.overfitted.tools.golden import failures
from isorate.codecs.registry import CodecSpec
from isorate.errors import BitstreamError, CodecError, UsageError
from isorate.image import Image
from isorate.metrics import psnr
from isorate.testing import check_codec

GOLDEN = Path(__file__).parents[2] / "data" / "overfitted"
STREAM = (GOLDEN / "coffee_69x77.ofi").read_bytes()
COUNT = int(os.environ.get("ISORATE_FUZZ", "200"))


@pytest.fixture(scope="module")
def photo() -> Image:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[20:148, 150:278])


@pytest.mark.slow
def test_conformance(photo: Image) -> None:
    check_codec(OverfittedCodec(steps=6, threads=1), np.ascontiguousarray(photo[:64, :64]))


def test_the_parts_bits_are_the_file() -> None:
    parts = OverfittedCodec().bits_by_part(STREAM)
    assert list(parts) == ["header", "nets", "w6", "y6", "w5", "y5", "w4", "y4", "y3", "y2", "y1", "y0"]
    assert sum(parts.values()) == pytest.approx(8 * len(STREAM), abs=64)


@pytest.mark.parametrize(
    "folder",
    [GOLDEN, GOLDEN.with_name("overfitted-kept"), GOLDEN.with_name("overfitted-1")],
    ids=["start 2", "start 3", "version 1"],
)
def test_golden_streams_decode_to_the_same_numbers_and_pixels(folder: Path) -> None:
    assert failures(folder) == []


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_change_no_latent(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert failures(GOLDEN) == []
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_more_steps_give_a_better_picture(photo: Image) -> None:
    small = np.ascontiguousarray(photo[:96, :96])
    values = [psnr(small, codec.decode(codec.encode(small, 1.0))) for codec in map(of_steps, (30, 100))]
    assert values[1] > values[0] + 0.5


def of_steps(steps: int) -> OverfittedCodec:
    return OverfittedCodec(steps=steps, threads=1)


def test_the_seed_changes_the_file(photo: Image) -> None:
    small = np.ascontiguousarray(photo[:32, :32])
    first, again, other = (OverfittedCodec(steps=8, seed=seed, threads=1).encode(small, 2.0) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_options_and_efforts() -> None:
    options = {"effort": 0, "steps": 7, "objective": "mixed", "seed": 2, "threads": 0, "device": "cpu"}
    assert CodecSpec.parse("overfitted:steps=7,seed=2").create().options == options
    with pytest.raises(UsageError, match="effort="):
        CodecSpec.parse("overfitted:effort=3").create()
    with pytest.raises(UsageError, match="steps=-1"):
        OverfittedCodec(steps=-1)


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(CodecError, match="uint8 is needed"):
        OverfittedCodec(steps=1).encode(np.zeros((8, 8), np.uint8), 1.0)


@pytest.mark.parametrize("seed", [0, 1])
def test_mutated_streams_are_refused(seed: int) -> None:
    report = fuzz(OverfittedCodec(threads=1), STREAM, COUNT // 2, seed)
    assert report.outcomes["wrong picture"] == 0
    assert report.outcomes["refused"] >= 0.99 * (COUNT // 2)


def test_truncation_at_every_byte() -> None:
    for length in range(len(STREAM)):
        with pytest.raises(BitstreamError):
            stream.read(STREAM[:length])


def test_a_claim_of_a_giant_picture_costs_nothing() -> None:
    data = bytearray(STREAM)
    data[22:24] = b"\xff\xff\x7f\xff\xff\x7f"
    tracemalloc.start()
    started = time.perf_counter()
    with pytest.raises(BitstreamError):
        stream.read(bytes(data))
    assert time.perf_counter() - started < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"\xcf\x89", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(1000)])
def test_foreign_data_is_refused(data: bytes) -> None:
    with pytest.raises(BitstreamError, match=r"not a stream|truncated|version|damaged"):
        stream.read(data)


def test_header_bytes_are_what_stands_around_the_payload() -> None:
    assert OverfittedCodec().header_bytes(STREAM) == 22 + 1 + 1 + 4
