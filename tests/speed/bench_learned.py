"""Seconds of the learned codec's networks at one pair of knobs and effort 0, whole and by part."""

from collections.abc import Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from isorate.codecs.learned.coding.network import Network
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


@pytest.mark.parametrize("part", bench.PARTS)
def test_part(benchmark: BenchmarkFixture, part: str, picture: Image) -> None:
    benchmark(bench.parts(bench.network_of("small"), picture)[part])
