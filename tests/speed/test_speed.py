"""The measurements run, are kept and can be compared; how long anything takes is never asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import pytest
import torch

from isorate.codecs.learned.coding.network import load_network
from isorate.codecs.learned.tools import bench
from isorate.image import Image

HERE = Path(__file__).parent
TINY = HERE.parent / "data" / "learned" / "tiny.safetensors"


def run(*words: object) -> str:
    # Beside other tests nothing is measured, which pytest-benchmark sees by pytest-xdist's variables.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, check=True, env=alone)
    return done.stdout


@pytest.mark.slow
def test_measurements_are_kept_by_commit_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (HERE / "bench_codecs.py", HERE / "bench_metrics.py", "-k", "psnr or (jpeg and not jpeg2000)")
    run("-m", "pytest", *words, f"--benchmark-storage={tmp_path}", "--benchmark-autosave", "--benchmark-max-time=0")
    (kept,) = tmp_path.glob("*/*.json")
    content = json.loads(kept.read_text())
    assert content["commit_info"]["id"] in kept.name
    assert {one["name"] for one in content["benchmarks"]} == {
        "test_match[jpeg]",
        "test_encode[jpeg]",
        "test_decode[jpeg]",
        "test_psnr",
    }
    assert run_path(str(HERE / "table.py"))["main"](tmp_path) == 0
    table = capsys.readouterr().out
    assert "libjpeg-turbo" in table
    assert "bpg        not measured" in table
    assert "psnr" in table
    slower = kept.with_name("0002_slower.json")
    for one in content["benchmarks"]:
        one["stats"]["min"] *= 2
    slower.write_text(json.dumps(content))
    compared = run("-m", "pytest_benchmark", "compare", "--between=min", kept, slower)
    (line,) = [line for line in compared.splitlines() if line.startswith("test_encode[jpeg]")]
    assert line.endswith("+100.0%")


def test_a_folder_without_measurements_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, HERE / "table.py", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "make bench" in done.stderr


def test_the_parts_of_the_learned_codec_run_again_and_again(photo: Image) -> None:
    with torch.no_grad():
        parts = bench.parts(load_network(TINY), photo)
        assert tuple(parts) == bench.PARTS
        for work in parts.values():
            work()
        pixels = bench.decode(load_network(TINY), bench.encode(load_network(TINY), photo))
    assert pixels.shape == photo.shape
