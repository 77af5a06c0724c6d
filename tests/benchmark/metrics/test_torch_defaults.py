"""What a package sets in PyTorch for the whole process is in no number and in no picture of ours."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from isorate.codecs.learned import LearnedCodec
from isorate.image import Image
from isorate.metrics import ms_ssim
from isorate.metrics.torch_defaults import torch_defaults


def other_interface() -> Any:
    """Return PyTorch's newer place for the precision of products, None where it has none."""
    return getattr(torch.backends.mkldnn, "matmul", None)


SETTINGS: dict[str, Callable[[], object]] = {
    "autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "products": lambda: torch.set_float32_matmul_precision("medium"),
    "products by the other interface": lambda: setattr(other_interface(), "fp32_precision", "bf16"),
    "type": lambda: torch.set_default_dtype(torch.float16),
    "device": lambda: torch.set_default_device("meta"),
}


def settings() -> tuple[object, ...]:
    return torch.is_autocast_enabled("cpu"), torch.get_default_dtype(), torch.get_default_device()


@pytest.fixture
def learned(photo: Image) -> tuple[LearnedCodec, bytes, Image]:
    codec = LearnedCodec()
    data = codec.encode(photo[:176, :192], *codec.knobs_at(0.01))
    return codec, data, codec.decode(data)


@pytest.fixture
def as_before() -> Iterator[None]:
    yield
    torch.set_autocast_enabled("cpu", False)
    torch.set_float32_matmul_precision("highest")
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_changes_nothing_and_stays(
    name: str, photo: Image, learned: tuple[LearnedCodec, bytes, Image]
) -> None:
    if name.endswith("interface") and other_interface() is None:
        pytest.skip("this PyTorch has no other interface")
    codec, data, picture = learned
    similar = ms_ssim(photo[:176, :192], picture)
    SETTINGS[name]()
    was = settings()
    assert ms_ssim(photo[:176, :192], picture) == similar
    assert np.array_equal(codec.decode(data), picture)
    assert codec.encode(photo[:176, :192], *codec.knobs_at(0.01)) == data
    assert settings() == was


@pytest.mark.usefixtures("as_before")
def test_a_precision_is_set_again_afterwards() -> None:
    torch.set_float32_matmul_precision("medium")
    with torch_defaults():
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "medium"


@pytest.mark.usefixtures("as_before")
def test_a_thread_that_is_done_changes_nothing_for_another() -> None:
    torch.set_float32_matmul_precision("medium")
    torch.set_default_dtype(torch.float64)
    one, other = torch_defaults(), torch_defaults()
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        first.submit(one.__enter__).result()
        second.submit(other.__enter__).result()
        first.submit(one.__exit__, None, None, None).result()
        assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_default_dtype() == torch.float32
        second.submit(other.__exit__, None, None, None).result()
    assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_default_dtype() == torch.float64


@pytest.mark.parametrize("default", [None, "meta"])
@pytest.mark.usefixtures("as_before")
def test_a_device_of_a_with_statement_is_left_too(default: str | None, photo: Image) -> None:
    similar = ms_ssim(photo[:176, :190], photo[:176, 1:191])
    torch.set_default_device(default)
    with torch.device("meta"):
        assert ms_ssim(photo[:176, :190], photo[:176, 1:191]) == similar
        assert torch.empty(0).device.type == "meta"
    assert torch.empty(0).device.type == (default or "cpu")
