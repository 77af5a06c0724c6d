"""LPIPS and DISTS: against the authors' packages with the same weights, and what happens where weights are not right.

ImageNet's weights are a download of half a gigabyte: random ones of the same shapes stand for them, under a name that
holds their own checksum. Where the real ones lie in PyTorch's folder, the comparison is made with them as well.
"""

import hashlib
import importlib.util
import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from isorate import api
from isorate.cli import main
from isorate.codecs.jpeg import Jpeg
from isorate.errors import MetricUnavailableError
from isorate.image import Image
from isorate.metrics.perceptual import dists, lpips
from isorate.metrics.perceptual.dists import Dists
from isorate.metrics.perceptual.files import Backbone, read_weights
from isorate.metrics.perceptual.lpips import Lpips
from isorate.testing import check_metric

PACKAGES = {"lpips": "lpips", "dists": "DISTS_pytorch"}
BOTH = pytest.mark.parametrize("metric", [Lpips(), Dists()], ids=["lpips", "dists"])
ALEXNET = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
VGG16 = {
    0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256), 14: (256, 256),
    17: (512, 256), 19: (512, 512), 21: (512, 512), 24: (512, 512), 26: (512, 512), 28: (512, 512),
}  # fmt: skip
"""The shapes of torchvision's convolutions by their places."""

REFERENCE = """
import sys
import numpy, torch
# What is compared needs no operators of torchvision's own, and PyPI's does not find them beside a PyTorch for CPUs.
torch.library.register_fake = lambda *_, **__: lambda function: function
import torchvision

pictures, *given = sys.argv[1:]

def with_features(network, weights):
    loaded = torch.load(weights, weights_only=True)
    def make(**_):
        with torch.device("meta"):
            made = network(weights=None)
        made.features.to_empty(device="cpu")
        made.features.load_state_dict({key[9:]: loaded[key] for key in loaded if key.startswith("features.")})
        return made
    return make

for name, weights, own in zip(given[::3], given[1::3], given[2::3], strict=True):
    pair = [torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 for picture in numpy.load(pictures)]
    if name == "lpips":
        import lpips
        torchvision.models.alexnet = with_features(torchvision.models.alexnet, weights)
        network, pair = lpips.LPIPS(net="alex", verbose=False), [2 * picture - 1 for picture in pair]
    else:
        from DISTS_pytorch import DISTS
        torchvision.models.vgg16 = with_features(torchvision.models.vgg16, weights)
        network, trained = DISTS(load_weights=False), torch.load(own, weights_only=True)
        network.alpha.data, network.beta.data = trained["alpha"], trained["beta"]
    with torch.no_grad():
        print(float(network(*pair)))
"""


def installed(name: str) -> None:
    if importlib.util.find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed; pip install 'isorate[perceptual]'")


def saved(folder: Path, network: str, what: Any) -> Backbone:
    """Write a file of weights whose name holds its checksum, where PyTorch would look for it."""
    folder = folder / "hub" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(what, folder / "written")
    digest = hashlib.sha256((folder / "written").read_bytes()).hexdigest()
    file = (folder / "written").rename(folder / f"{network.lower()}-{digest[:8]}.pth")
    return Backbone(network, file.name, 1)


def random_weights(shapes: Mapping[int, tuple[int, ...]], seed: int = 0) -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = {}
    generator = torch.Generator().manual_seed(seed)
    for place, given in shapes.items():
        shape = given if len(given) == 4 else (*given, 3, 3)
        weight = torch.randn(shape, generator=generator) * math.sqrt(2 / math.prod(shape[1:]))
        made[f"features.{place}.weight"] = weight
        made[f"features.{place}.bias"] = torch.randn(shape[0], generator=generator) / 10
    return {**made, "classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Backbone, Backbone]:
    home = tmp_path_factory.mktemp("torch")
    return home, saved(home, "AlexNet", random_weights(ALEXNET)), saved(home, "VGG16", random_weights(VGG16))


@pytest.fixture
def weights(stored: tuple[Path, Backbone, Backbone], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """PyTorch's folder, in which random weights stand for ImageNet's."""
    home, alexnet, vgg16 = stored
    monkeypatch.setenv("TORCH_HOME", str(home))
    monkeypatch.setattr(lpips, "ALEXNET", alexnet)
    monkeypatch.setattr(dists, "VGG16", vgg16)
    yield home
    for module in (lpips, dists):
        module._networks.cache_clear()


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """PyTorch's folder with nothing in it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch home"))
    return tmp_path / "torch home" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def decoded(photo: Image) -> Image:
    return Jpeg().decode(Jpeg().encode(photo, 20))


def reference(metrics: list[Lpips | Dists], pictures: list[Image], folder: Path) -> list[float]:
    """Return what the authors' packages say, in a process of their own."""
    np.save(folder / "pictures.npy", np.stack(pictures))
    words = [str(folder / "pictures.npy")]
    for metric in metrics:
        own, backbone = metric._files()
        words += [metric.name, str(backbone), str(own)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", REFERENCE, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.usefixtures("weights")
def test_the_values_are_those_of_the_authors_packages(photo: Image, decoded: Image, tmp_path: Path) -> None:
    metrics: list[Lpips | Dists] = [Lpips(), Dists()]
    for metric in metrics:
        installed(metric.name)
    first, second = photo[:200, :303], decoded[:200, :303]
    for metric, expected in zip(metrics, reference(metrics, [first, second], tmp_path), strict=True):
        found = metric.measure(first, second)
        assert found == pytest.approx(expected, rel=1e-5, abs=2e-6)
        assert found
        assert found > 1e-3


@BOTH
@pytest.mark.slow
def test_with_imagenets_weights_too(metric: Lpips | Dists, photo: Image, decoded: Image, tmp_path: Path) -> None:
    try:
        _ = metric.implementation
    except MetricUnavailableError as error:
        pytest.skip(str(error))
    (expected,) = reference([metric], [photo, decoded], tmp_path)
    assert metric.measure(photo, decoded) == pytest.approx(expected, rel=1e-5, abs=2e-6)


@BOTH
@pytest.mark.usefixtures("weights")
def test_the_contract(metric: Lpips | Dists, photo: Image) -> None:
    installed(metric.name)
    check_metric(metric, photo[:96, :80])


@pytest.mark.usefixtures("weights")
def test_small_pictures(photo: Image) -> None:
    for name in PACKAGES:
        installed(name)
    assert Lpips().measure(photo[:30, :64], photo[1:31, :64]) is None
    assert Lpips().measure(photo[:31, :31], photo[1:32, :31])
    assert Dists().measure(photo[:1, :1], photo[9:10, 9:10])
    assert Dists().measure(photo[:1, :1], photo[:1, :1]) == 0


@BOTH
@pytest.mark.usefixtures("weights")
def test_loading_draws_no_random_numbers(metric: Lpips | Dists, photo: Image) -> None:
    """A codec in the same process that seeded PyTorch goes on as if nothing had been measured."""
    installed(metric.name)
    state = torch.random.get_rng_state()
    metric.measure(photo[:64, :64], photo[:64, :64])
    assert torch.equal(state, torch.random.get_rng_state())


@BOTH
def test_what_it_says_of_itself_holds_both_files(
    metric: Lpips | Dists, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(metric.name)
    before = metric.implementation
    own, backbone = metric._files()
    for file in (own, backbone):
        assert hashlib.sha256(file.read_bytes()).hexdigest()[:12] in before
    other = saved(weights, "AlexNet", random_weights(ALEXNET, seed=1))
    monkeypatch.setattr(lpips, "ALEXNET", other)
    monkeypatch.setattr(dists, "VGG16", other)
    assert metric.implementation != before


@pytest.mark.usefixtures("weights")
def test_they_are_columns_of_a_run(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    installed("lpips")
    run = api.run(
        data=two_photos, out=tmp_path / "run", anchor="jpeg", codecs=[], points=["quality=10", "quality=60"],
        executor=in_process, metrics=["lpips"],
    )  # fmt: skip
    for image in {row.image for row in run.rows()}:
        coarse, fine = (row.metrics["lpips"] for row in run.rows() if row.image == image)
        assert coarse
        assert fine
        assert coarse > fine > 0
    assert run.manifest.more_metrics[0].implementation == Lpips().implementation


@BOTH
def test_without_weights_a_run_does_not_begin_and_says_where_they_belong(
    metric: Lpips | Dists, empty: Path, two_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installed(metric.name)
    backbone = {"lpips": lpips.ALEXNET, "dists": dists.VGG16}[metric.name]
    words = ["run", "--data", str(two_photos), "--anchor", "jpeg", "--metric", metric.name, "-o", str(tmp_path / "run")]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    address = f"https://download.pytorch.org/models/{backbone.file}"
    assert f"curl -fL --create-dirs -o '{empty / backbone.file}' {address}" in line
    assert not (tmp_path / "run").exists()
    assert main(["metrics", "--json"]) == 0
    (listed,) = [one for one in json.loads(capsys.readouterr().out) if one["name"] == metric.name]
    assert (listed["available"], listed["hint"] in line) == (False, True)


@BOTH
def test_without_a_home_it_says_what_to_set(metric: Lpips | Dists, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(metric.name)

    def nobody(_uid: int) -> NoReturn:
        raise KeyError

    for name in ("HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(MetricUnavailableError, match=r"set TORCH_HOME to a folder that has it as hub/checkpoints/\w+-"):
        _ = metric.implementation


@BOTH
def test_a_damaged_file_is_told_by_its_checksum(metric: Lpips | Dists, weights: Path, empty: Path) -> None:
    installed(metric.name)
    backbone = {"lpips": lpips.ALEXNET, "dists": dists.VGG16}[metric.name]
    whole = (weights / "hub" / "checkpoints" / backbone.file).read_bytes()
    empty.mkdir(parents=True)
    for content in (whole[:-100], b"", b"<html>not found</html>"):
        (empty / backbone.file).write_bytes(content)
        begin = hashlib.sha256(content).hexdigest()[:8]
        with pytest.raises(
            MetricUnavailableError, match=rf"damaged or another file: .* {begin}, .*get it again .*: curl"
        ):
            _ = metric.implementation
        with pytest.raises(MetricUnavailableError, match="is damaged"):
            metric.measure(np.zeros((64, 64, 3), np.uint8), np.ones((64, 64, 3), np.uint8))


class Program:
    """What a pickle runs where it is read without care."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("ran",)


def test_a_strangers_file_is_data_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"alpha": Program()}, "zipped")
    Path("plain").write_bytes(pickle.dumps(Program()))
    Path("other").write_bytes(b"\x89PNG\r\n\x1a\n")
    for name in ("zipped", "plain", "other"):
        with pytest.raises(MetricUnavailableError, match=r"lpips: .* is no file of weights .*remove it") as raised:
            read_weights(Path(name), {"alpha": (1,)}, "lpips")
        assert len(str(raised.value).splitlines()) == 1
    assert not Path("ran").exists()


@pytest.mark.parametrize("what", [[1], {"alpha": "text"}, {"beta": torch.zeros(3)}, {"alpha": torch.zeros(2)}])
def test_other_weights_are_refused(what: Any, tmp_path: Path) -> None:
    torch.save(what, tmp_path / "weights.pt")
    with pytest.raises(MetricUnavailableError, match=r"dists: .*weights\.pt holds other weights: no alpha of shape 3"):
        read_weights(tmp_path / "weights.pt", {"alpha": (3,)}, "dists")


@BOTH
def test_without_the_extra_it_says_what_to_install(metric: Lpips | Dists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[metric.name], None)
    with pytest.raises(MetricUnavailableError, match=r"is not installed; pip install 'isorate\[perceptual\]'"):
        _ = metric.implementation
