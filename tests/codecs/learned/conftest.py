from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from isorate.codecs.learned import LearnedCodec
from isorate.codecs.learned.bitstream.weights import load_weights
from isorate.codecs.learned.coding.network import Network, load_network

DATA = Path(__file__).parents[2] / "data" / "learned"
TINY = DATA / "tiny.safetensors"


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    """Weights of a small model, trained for half a minute: enough for every check but picture quality."""
    return TINY


@pytest.fixture(scope="session")
def tiny() -> Network:
    return load_network(TINY)


@pytest.fixture
def fresh_tiny() -> Network:
    """A network that a test may change."""
    return Network(load_weights(TINY))


@pytest.fixture
def codec() -> LearnedCodec:
    return LearnedCodec(str(TINY), threads=1)


@pytest.fixture
def no_grad() -> Iterator[None]:
    with torch.inference_mode():
        yield
