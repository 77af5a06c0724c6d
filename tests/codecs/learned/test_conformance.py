"""The same bits decode on any machine: golden streams under every setting that changes floating-point results."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from isorate.codecs.learned.bitstream.weights import load_weights, weights_path
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.tools.golden import INDEX, failures

DATA = Path(__file__).parents[2] / "data" / "learned"
FOLDERS = {
    "tiny": DATA / "tiny.safetensors",
    "small": weights_path("small"),
    "small-ms-ssim": weights_path("small", "ms-ssim"),
}


@pytest.fixture(params=sorted(FOLDERS), scope="module")
def golden(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """Weights and the folder of streams made with them."""
    weights, folder = FOLDERS[request.param], DATA / request.param
    if not weights.is_file() or not (folder / INDEX).is_file():
        pytest.skip(f"no golden streams of {request.param} yet")
    return weights, folder


@pytest.fixture(params=["channels_last", "contiguous"], scope="module")
def network(request: pytest.FixtureRequest, golden: tuple[Path, Path]) -> Network:
    found = Network(load_weights(golden[0]))
    if request.param == "contiguous":
        found.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return found


@pytest.fixture(params=["highest", "medium"])
def precision(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield
    torch.set_float32_matmul_precision(before)


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("mkldnn", [True, False])
@pytest.mark.filterwarnings("ignore:TF32 acceleration")
@pytest.mark.usefixtures("precision", "threads")
def test_golden_streams_decode_and_encode_to_the_same_bits(
    network: Network, golden: tuple[Path, Path], mkldnn: bool
) -> None:
    with torch.backends.mkldnn.flags(enabled=mkldnn):
        assert failures(network, golden[1]) == []


def test_golden_streams_in_a_fresh_process(golden: tuple[Path, Path]) -> None:
    weights, folder = golden
    words = [sys.executable, "-m", "isorate", "learned", "golden", "--check", "--weights", str(weights)]
    done = subprocess.run([*words, "--out", str(folder)], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.usefixtures("precision")
def test_golden_streams_on_a_gpu(golden: tuple[Path, Path]) -> None:
    assert failures(Network(load_weights(golden[0]), "cuda"), golden[1]) == []


def test_a_changed_latent_or_weight_is_noticed(fresh_tiny: Network, tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    folder.mkdir()
    for file in (DATA / "tiny").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    index = json.loads((folder / INDEX).read_text())
    name = next(iter(index["latents"]))
    index["latents"][name] = "0" * 64
    (folder / INDEX).write_text(json.dumps(index))
    assert failures(fresh_tiny, folder) == [f"{name}: decodes to other latents"]
    index["weights"] = "0" * 64
    (folder / INDEX).write_text(json.dumps(index))
    assert "other weights" in failures(fresh_tiny, folder)[0]
