"""The same bits decode on any machine: golden streams under every setting that changes floating-point results."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from isorate.codecs.golden import INDEX
from isorate.codecs.learned.bitstream.weights import load_weights, weights_path
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.tools.golden import CASES as MADE
from isorate.codecs.learned.tools.golden import failures, make_golden
from isorate.errors import UsageError

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


def test_a_missing_or_damaged_stream_is_noticed(tiny: Network, tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    shutil.copytree(DATA / "tiny", folder)
    one, other = sorted(folder.glob("*.iso"))[:2]
    one.unlink()
    other.write_bytes(other.read_bytes()[:-5])
    wrong = failures(tiny, folder)
    assert sorted(text.partition(":")[0] for text in wrong) == [one.stem, other.stem]
    assert "No such file" in " ".join(wrong)


def test_making_golden_streams_replaces_its_own_and_no_others(tiny: Network, tmp_path: Path) -> None:
    index = {"weights": "0" * 64, "latents": {"earlier_case": "0" * 64, MADE[0].name: "0" * 64, "lost": "0" * 64}}
    (tmp_path / INDEX).write_text(json.dumps(index))
    for name in ("holiday", "earlier_case", MADE[0].name):
        (tmp_path / f"{name}.iso").write_bytes(b"of before")
    make_golden(tiny, tmp_path)
    assert failures(tiny, tmp_path) == []
    assert {path.stem for path in tmp_path.glob("*.iso")} == {"holiday", *(case.name for case in MADE)}
    assert (tmp_path / "holiday.iso").read_bytes() == b"of before"
    assert (tmp_path / f"{MADE[0].name}.iso").read_bytes() != b"of before"
    assert list(json.loads((tmp_path / INDEX).read_text())["latents"]) == [case.name for case in MADE]


@pytest.mark.parametrize(
    "text",
    ['{"coffee_20x33": 123}', "{", "[" * 100_000, '{"weights": "0", "latents": {"../holiday": "0"}}', "\xff"],
    ids=["another codec's", "cut", "deep", "elsewhere", "no text"],
)
def test_a_folder_with_another_index_is_left_alone(tiny: Network, tmp_path: Path, text: str) -> None:
    folder = tmp_path / "golden"
    folder.mkdir()
    (folder / INDEX).write_text(text, encoding="latin-1")
    (tmp_path / "holiday.iso").write_bytes(b"of before")
    for use in (make_golden, failures):
        with pytest.raises(UsageError, match=r"golden\.json .*name another folder"):
            use(tiny, folder)
    assert [path.name for path in folder.iterdir()] == [INDEX]
    assert (tmp_path / "holiday.iso").is_file()


def test_a_folder_without_an_index_is_named(tiny: Network, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"golden\.json cannot be read: No such file"):
        failures(tiny, tmp_path)
