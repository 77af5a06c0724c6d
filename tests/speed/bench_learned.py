"""Seconds of the learned codec's networks at one pair of knobs, whole, by part, and for a step of efforts 2 and 3."""

from collections.abc import Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder
from isorate.codecs.learned.coding.refinement import SCHEDULES, Descent
from isorate.codecs.learned.tools import bench
from isorate.image import Image

MODELS = ("small", "base")


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module", params=MODELS)
def network(request: pytest.FixtureRequest) -> Network:
    return bench.network_of(request.param)


def test_network_encode(benchmark: BenchmarkFixture, network: Network, picture: Image) -> None:
    benchmark(bench.encode, network, picture)


def test_network_decode(benchmark: BenchmarkFixture, network: Network, picture: Image) -> None:
    benchmark(bench.decode, network, bench.encode(network, picture))


def test_descent_step(benchmark: BenchmarkFixture, network: Network, picture: Image) -> None:
    """Of which effort 2 takes 200 and effort 3 1000."""
    encoder, schedule = PictureEncoder(network, picture), SCHEDULES[2]
    plain = encoder.code(KnobCodes.nearest(bench.LMBDA, 1.0, network.config.knots))
    descent = Descent(encoder, plain)
    benchmark.pedantic(descent.step, schedule.at(0.5), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("part", bench.PARTS)
def test_part(benchmark: BenchmarkFixture, part: str, picture: Image) -> None:
    benchmark(bench.parts(bench.network_of("small"), picture)[part])
