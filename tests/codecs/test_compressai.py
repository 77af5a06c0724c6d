"""CompressAI's models as codecs: with the real package where it is installed, and the hints where it is not."""

import warnings
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isorate.codecs.compressai import CompressAI
from isorate.codecs.compressai.container import GAIN, HEADER, Contents, pack, unpack
from isorate.codecs.registry import CodecSpec, list_codecs
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError
from isorate.image import Image


def available() -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import compressai.models  # noqa: F401
    except (ImportError, RuntimeError):
        return False
    return True


needs_compressai = pytest.mark.skipif(
    not available(), reason="compressai is not installed: pip install 'isorate[compressai]'"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two checkpoints of a tiny model with random weights, one of them as a training script saves it."""
    import torch
    from compressai.registry import MODELS

    for quality in (2, 10):
        torch.manual_seed(quality)
        network = MODELS["bmshj2018-hyperprior"](8, 12)
        network.update()
        state = network.state_dict()
        torch.save(state if quality == 2 else {"epoch": 3, "state_dict": state}, tmp_path / f"q{quality}.pth.tar")
    (tmp_path / "notes.txt").write_text("no checkpoint")
    return tmp_path


@needs_compressai
def test_files_decode_to_what_the_model_gives(folder: Path, photo: Image) -> None:
    import torch

    codec = CodecSpec.parse(f"compressai:model=bmshj2018-hyperprior,checkpoints={folder}").create()
    assert (codec.knob.low, codec.knob.high) == (1, 2)
    assert "bmshj2018-hyperprior" in codec.backend
    assert str(folder) not in str(codec.options)
    for quality in (1, 2):
        data = codec.encode(photo, quality)
        assert codec.encode(photo, quality) == data
        assert codec.header_bytes(data) == HEADER.size + 8
        decoded = codec.decode(data)
        assert decoded.shape == photo.shape
        assert decoded.dtype == np.uint8
        assert np.array_equal(decoded, CompressAI("bmshj2018-hyperprior", str(folder)).decode(data))
    assert isinstance(codec, CompressAI)
    file = codec._files()[1]
    assert file.name == "q10.pth.tar"
    network = codec._network(file)
    padded = np.pad(photo, ((0, -photo.shape[0] % 64), (0, -photo.shape[1] % 64), (0, 0)), "edge")
    with torch.inference_mode():
        out = network(torch.from_numpy(padded.astype(np.float32) / 255).permute(2, 0, 1)[None])["x_hat"][0]
    expected = out.clamp(0, 1).mul(255).round().permute(1, 2, 0).numpy()[: photo.shape[0], : photo.shape[1]]
    assert np.abs(decoded.astype(int) - expected).max() <= 1


@needs_compressai
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (64, 64), (65, 3)])
def test_every_size(folder: Path, photo: Image, size: tuple[int, int]) -> None:
    codec = CompressAI("bmshj2018-hyperprior", str(folder))
    picture = photo[: size[0], : size[1]]
    assert codec.decode(codec.encode(picture, 1)).shape == picture.shape


@needs_compressai
def test_damage_and_other_checkpoints_are_told(folder: Path, photo: Image) -> None:
    codec = CompressAI("bmshj2018-hyperprior", str(folder))
    data = codec.encode(photo, 1)
    foreign = data[:2] + bytes([data[2] + 1]) + data[3:]
    huge = data[:11] + b"\xff\xff\xff\xff" + data[15:]
    for bad in (
        b"",
        b"text" * 20,
        data[:10],
        data[: len(data) // 2],
        data + b"x",
        foreign,
        huge,
        data[:2] + b"\x09" + data[3:],
    ):
        with pytest.raises(BitstreamError):
            codec.decode(bad)


@needs_compressai
def test_what_is_no_checkpoint_of_the_model_is_told(folder: Path, photo: Image) -> None:
    (folder / "q1.pth").write_bytes(b"nothing")
    with pytest.raises(CodecError, match=r"q1\.pth is no checkpoint of bmshj2018-hyperprior"):
        CompressAI("bmshj2018-hyperprior", str(folder)).encode(photo, 1)
    with pytest.raises(CodecUnavailableError, match="no model 'bmshj'"):
        CompressAI("bmshj", str(folder)).encode(photo, 1)


@needs_compressai
def test_one_checkpoint_is_an_anchor(folder: Path, photo: Image, tmp_path: Path) -> None:
    from isorate.api import match

    codec = CompressAI("bmshj2018-hyperprior", str(folder / "q2.pth.tar"))
    assert codec.knob.default == 1
    _, found = match(codec, photo, 0.01)
    assert found.unreachable
    assert len(found.trace) == 1


@pytest.fixture(
    params=["bmshj2018-hyperprior-vbr", "bmshj2018-hyperprior-vbr, hyper", "mbt2018-mean-vbr, hyper", "mbt2018-vbr"]
)
def variable(tmp_path: Path, request: pytest.FixtureRequest) -> CompressAI:
    """A tiny model of variable rate with random weights, with and without a hyper-latent of variable rate."""
    import torch
    from compressai.registry import MODELS

    name, _, hyper = request.param.partition(", ")
    torch.manual_seed(1)
    network = MODELS[name](8, 12, **({"vr_entbttlnck": True} if hyper else {}))
    network.g_a[-1].weight.data.mul_(300)
    torch.save({"network": network.state_dict()}, tmp_path / "model.pth.tar")
    return CompressAI(name, str(tmp_path / "model.pth.tar"))


@needs_compressai
def test_a_variable_rate_model_meets_a_size_by_its_gain(variable: CompressAI, photo: Image) -> None:
    import torch

    from isorate.api import match
    from isorate.codecs.compressai.container import gain_of

    picture = photo[:128, :128]
    assert (variable.knob.name, variable.knob.low, variable.knob.high) == ("gain", 0.1, 1.0)
    low, high = (len(variable.encode(picture, gain)) for gain in (0.1, 1.0))
    assert low < high
    data, found = match(variable, picture, 8 * (low + high) / 2 / picture[..., 0].size)
    assert abs(len(data) - (low + high) / 2) <= 0.02 * high
    assert unpack(data).gain == gain_of(found.best.knob)
    decoded = variable.decode(data)
    assert np.array_equal(decoded, CompressAI(variable.model, variable.checkpoints).decode(data))
    network = variable._network(variable._files()[0])
    x = torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.inference_mode():
        out = network(x, inputscale=torch.tensor(found.best.knob, dtype=torch.float32))["x_hat"][0]
    expected = out.clamp(0, 1).mul(255).round().permute(1, 2, 0).numpy()
    assert np.abs(decoded.astype(int) - expected).max() <= 1


@needs_compressai
def test_files_of_variable_rate_are_not_taken_for_others(variable: CompressAI, photo: Image) -> None:
    data = variable.encode(photo[:64, :64], 0.5)
    assert variable.header_bytes(data) == HEADER.size + GAIN.size + 8
    for gain in (float("nan"), float("inf"), 0.0, -1.0):
        with pytest.raises(BitstreamError, match="gain"):
            variable.decode(data[: HEADER.size] + GAIN.pack(gain) + data[HEADER.size + GAIN.size :])
    found = unpack(data)
    fixed = pack(Contents(1, found.digest, found.size, found.shape, found.strings))
    with pytest.raises(BitstreamError, match="another kind"):
        variable.decode(fixed)
    for end in range(len(data)):
        with pytest.raises(BitstreamError):
            variable.decode(data[:end])


def test_a_variable_rate_model_has_one_checkpoint(tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CodecUnavailableError, match=r"mbt2018-vbr has one checkpoint .* has 2: name the file"):
        _ = CompressAI("mbt2018-vbr", str(tmp_path)).knob


@needs_compressai
def test_a_device_that_is_not_there_is_told(folder: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(CodecUnavailableError, match=r"compressai: device=cuda: .*use device=cpu"):
        _ = CompressAI("bmshj2018-hyperprior", str(folder), "cuda").backend


def test_without_the_package_it_is_listed_with_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from isorate.codecs.compressai import models

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(models, "version", missing)
    listed = {entry.name: entry for entry in list_codecs()}["compressai"]
    assert not listed.available
    assert "checkpoints=FOLDER" in listed.hint or "isorate[compressai]" in listed.hint
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(CodecUnavailableError, match=r"isorate\[compressai\]"):
        _ = CompressAI("mbt2018", str(tmp_path)).backend


def test_a_torchvision_of_another_build_is_told_with_what_helps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What PyPI's torchvision does beside a PyTorch for CPUs: "operator torchvision::nms does not exist"."""
    import builtins

    from isorate.codecs.compressai import models as adapter

    real = builtins.__import__

    def failing(name: str, *rest: Any, **named: Any) -> Any:
        if name == "compressai.models":
            raise RuntimeError("operator torchvision::nms does not exist")
        return real(name, *rest, **named)

    versions = {"compressai": "1.2.6", "torchvision": "0.28.0", "torch": "2.13.0+cpu"}
    monkeypatch.setattr(adapter, "version", versions.__getitem__)
    monkeypatch.setattr(builtins, "__import__", failing)
    (tmp_path / "a.pth").write_bytes(b"")
    with pytest.raises(CodecUnavailableError, match=r"nms does not exist; PyTorch .* of one build") as raised:
        _ = CompressAI("mbt2018", str(tmp_path)).backend
    assert "uv pip install --torch-backend=auto --reinstall torch torchvision" in str(raised.value)


def test_a_folder_without_checkpoints_is_told(tmp_path: Path) -> None:
    with pytest.raises(CodecUnavailableError, match=r"is no checkpoint and no folder with \.pth"):
        _ = CompressAI("mbt2018", str(tmp_path)).knob
