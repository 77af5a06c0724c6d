"""The same bits decode on any machine: golden streams under every setting that changes floating-point results."""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from isorate.codecs.learned.bitstream.weights import load_weights, weights_path
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.tools.golden import INDEX, failures

DATA = Path(__file__).parents[2] / "data" / "learned"
FOLDERS = {
    "tiny": DATA / "tiny.safetensors",
    "base": weights_path("base"),
    "small": weights_path("small"),
    "small-ms-ssim": weights_path("small", "ms-ssim"),
}


class Setting(NamedTuple):
    """What changes floating-point results from one machine to another."""

    contiguous: bool
    mkldnn: bool
    precision: str
    threads: int


EVERY = [Setting(*of) for of in itertools.product((False, True), (True, False), ("highest", "medium"), (1, 2, 4))]
PAIRS = [
    Setting(False, True, "highest", 1),
    Setting(True, False, "medium", 1),
    Setting(True, True, "highest", 2),
    Setting(False, False, "medium", 2),
    Setting(True, True, "medium", 4),
    Setting(False, False, "highest", 4),
]
"""Of every two settings, each value of the one with each of the other."""
SETTINGS = {"tiny": EVERY, "base": PAIRS, "small": PAIRS[:2], "small-ms-ssim": PAIRS[:2]}
"""All settings together for small weights, all pairs for the largest; the others go through the same code."""
FRESH = """
import sys
from isorate.cli import main
for weights, folder in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    assert main(["learned", "golden", "--check", "--weights", weights, "--out", folder]) == 0, folder
"""
CASES = [(name, setting) for name, settings in SETTINGS.items() for setting in settings]


def test_of_every_two_settings_each_pair_is_there() -> None:
    for one, other in itertools.combinations(range(len(Setting._fields)), 2):
        pairs = {(setting[one], setting[other]) for setting in PAIRS}
        assert pairs == {(setting[one], setting[other]) for setting in EVERY}


def golden(name: str) -> tuple[Path, Path]:
    """Return weights and the folder of streams made with them."""
    weights, folder = FOLDERS[name], DATA / name
    if not weights.is_file() or not (folder / INDEX).is_file():
        pytest.skip(f"no golden streams of {name} yet")
    return weights, folder


@contextmanager
def under(setting: Setting) -> Iterator[None]:
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    torch.set_float32_matmul_precision(setting.precision)
    torch.set_num_threads(setting.threads)
    try:
        with torch.backends.mkldnn.flags(enabled=setting.mkldnn):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("name", "setting"), CASES)
@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_golden_streams_decode_and_encode_to_the_same_bits(name: str, setting: Setting) -> None:
    weights, folder = golden(name)
    network = Network(load_weights(weights))
    if setting.contiguous:
        network.model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with under(setting):
        assert failures(network, folder) == []


@pytest.mark.slow
def test_golden_streams_in_a_fresh_process() -> None:
    """One for all weights: most of its time goes into loading PyTorch."""
    paths = [str(path) for name in ("base", "tiny") for path in golden(name)]
    done = subprocess.run([sys.executable, "-c", FRESH, *paths], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["highest", "medium"])
@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_golden_streams_on_a_gpu(name: str, precision: str) -> None:
    weights, folder = golden(name)
    with under(PAIRS[0]._replace(precision=precision)):
        assert failures(Network(load_weights(weights), "cuda"), folder) == []


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
