"""Seconds of every codec at one size: to match it, to encode once at the matched knobs, to decode."""

from typing import TypeAlias

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from isorate.api import match
from isorate.codecs.base import Codec
from isorate.codecs.registry import CodecSpec, names
from isorate.errors import CodecError
from isorate.image import Image
from isorate.matching.outcome import Match

RATE = 0.2
"""Bits per pixel that each codec is driven to."""
MINUTES_A_FILE = ("overfitted",)
"""``isorate overfitted bench`` measures a step instead."""
Matched: TypeAlias = tuple[bytes, Match]


@pytest.fixture(scope="module", params=[name for name in names() if name not in MINUTES_A_FILE])
def codec(request: pytest.FixtureRequest) -> Codec:
    try:
        codec = CodecSpec(request.param).create()
        _ = codec.backend, codec.knob  # raise where it cannot run
    except CodecError as error:
        pytest.skip(str(error))
    return codec


@pytest.fixture(scope="module")
def matched(codec: Codec, picture: Image) -> Matched:
    return match(codec, picture, RATE)


def test_match(benchmark: BenchmarkFixture, codec: Codec, picture: Image, matched: Matched) -> None:
    def anew() -> tuple[tuple[Codec, Image, float], dict[str, object]]:  # a codec may keep its last picture
        return (type(codec)(), picture, RATE), {}

    benchmark.pedantic(match, setup=anew, rounds=3)
    _, found = matched
    benchmark.extra_info.update(
        backend=codec.backend, target_bpp=RATE, encodes=len(found.trace), residual_pct=found.residual_pct
    )


def test_encode(benchmark: BenchmarkFixture, codec: Codec, picture: Image, matched: Matched) -> None:
    _, found = matched
    benchmark(lambda: type(codec)().encode(picture, *found.best.knobs))


def test_decode(benchmark: BenchmarkFixture, codec: Codec, matched: Matched) -> None:
    data, _ = matched
    benchmark(codec.decode, data)
