"""A PyTorch device that this machine lacks is told before a run begins."""

from pathlib import Path

import pytest
import torch

from isorate.api import run
from isorate.codecs.device import check_presence, torch_device
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.overfitted import OverfittedCodec
from isorate.errors import CodecUnavailableError
from isorate.image import Image

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


def test_the_cpu_is_there() -> None:
    assert torch_device("learned", "cpu") == torch.device("cpu")
    check_presence("learned", "cpu")


@needs_no_cuda
@pytest.mark.parametrize("codec", [LearnedCodec(device="cuda"), OverfittedCodec(device="cuda:1", steps=10)])
def test_another_is_told_with_the_remedy(codec: LearnedCodec | OverfittedCodec, photo: Image, tmp_path: Path) -> None:
    with pytest.raises(CodecUnavailableError, match=rf"{codec.name}: device={codec.device}: .*use device=cpu"):
        _ = codec.backend
    with pytest.raises(CodecUnavailableError, match="use device=cpu"):
        run({"photo": photo}, tmp_path / "run", anchor=codec, codecs=[])
    assert not list(tmp_path.glob("run/rows/*"))
