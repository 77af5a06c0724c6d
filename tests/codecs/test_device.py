"""A PyTorch device that this machine lacks is told before a run begins."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from isorate.api import run
from isorate.cli import main
from isorate.codecs.device import check_presence, torch_device
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.overfitted import OverfittedCodec
from isorate.errors import CodecUnavailableError
from isorate.image import Image

TINY = Path(__file__).parents[1] / "data" / "learned" / "tiny.safetensors"
needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")


def test_the_cpu_is_there() -> None:
    assert torch_device("learned", "cpu") == torch.device("cpu")
    check_presence("learned", "cpu")


@needs_no_cuda
@pytest.mark.parametrize("device", ["cuda", "mps", "xpu", "cuda:00"])
def test_coding_tells_it_in_one_line(device: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, stream, picture = (str(tmp_path / name) for name in ("a.png", "a.iso", "b.png"))
    PillowImage.fromarray(np.zeros((40, 50, 3), np.uint8)).save(source)
    spec = ["--codec", f"learned:model={TINY}"]
    assert main(["encode", source, stream, *spec, "--knob", "0.01"]) == 0
    spec[1] += f",device={device}"
    for words in (
        ["encode", source, str(tmp_path / "b.iso"), *spec, "--knob", "0.01"],
        ["encode", source, str(tmp_path / "b.iso"), *spec, "--bpp", "0.5"],
        ["decode", stream, picture, *spec],
        ["learned", "golden", "--out", str(tmp_path / "golden"), "--weights", str(TINY), "--device", device],
    ):
        capsys.readouterr()
        assert main(words) == 2
        said = capsys.readouterr().err
        assert f"learned: device={device}: PyTorch " in said
        assert said.count("\n") == 1
        assert len(said) < 400
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a.iso"}


def test_golden_streams_are_made_on_devices_of_pytorchs_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["learned", "golden", "--out", str(tmp_path), "--weights", str(TINY), "--device", "foo"]) == 2
    assert "device='foo' cannot be used" in capsys.readouterr().err


@needs_no_cuda
@pytest.mark.parametrize("codec", [LearnedCodec(device="cuda"), OverfittedCodec(device="cuda:1", steps=10)])
def test_another_is_told_with_the_remedy(codec: LearnedCodec | OverfittedCodec, photo: Image, tmp_path: Path) -> None:
    with pytest.raises(CodecUnavailableError, match=rf"{codec.name}: device={codec.device}: .*use device=cpu"):
        _ = codec.backend
    with pytest.raises(CodecUnavailableError, match="use device=cpu"):
        run({"photo": photo}, tmp_path / "run", anchor=codec, codecs=[])
    assert not list(tmp_path.glob("run/rows/*"))
