"""Plug-ins whose names others have: which is taken is said, and the rest works."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from isorate.cli import main
from isorate.codecs.registry import list_codecs

ENTRY_POINTS = {
    "others": "[isorate.codecs]\njpeg = others:Codec\ntwice = others:Codec\nmine = others:Codec\nsame = others:Codec\n"
    "[isorate.metrics]\npsnr = others:Metric\nssim = others:Metric\ntwice = others:Metric\n",
    "more": "[isorate.codecs]\ntwice = more:Codec\nsame = others:Codec\n[isorate.metrics]\ntwice = more:Metric\n",
}
SOURCE = "from isorate.codecs.jpeg import Jpeg\n\nclass Codec(Jpeg):\n    name, label = 'same', 'Same'\n"
CONFIGURATION = """
[codec.mine]
encode = "cp {input} {output} {q}"
decode = "cp {input} {output}"
suffix = ".mine"
knob = { name = "q", low = 1, high = 9, integer = true }
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, install: Callable[..., dict[str, str]]) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("site")
    environment = {}
    for package, points in ENTRY_POINTS.items():
        environment = install(folder, package, points, **{package: SOURCE})
    return environment


def isorate(environment: dict[str, str], folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "isorate", *map(str, words)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def test_codecs_whose_names_are_taken_are_listed(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "isorate.toml").write_text(CONFIGURATION)
    done = isorate(environment, tmp_path, "codecs", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    listed = {codec["name"]: codec for codec in data}
    assert len(listed) == len(data)
    assert listed["jpeg"]["label"] == "JPEG"
    assert listed["jpeg (others)"] == listed["twice"] | {
        "name": "jpeg (others)",
        "hint": "codec jpeg: others:Codec of the package others is ignored, this is a built-in codec's name; "
        "remove the package, or tell its author to choose another name",
    }
    assert listed["same"]["available"]
    assert not listed["twice"]["available"]
    assert listed["twice"]["hint"] == (
        "codec twice: several are offered under this name, by more (more:Codec) and others (others:Codec); "
        "remove all but one of these packages"
    )
    assert "is ignored, this is the name of a codec of your configuration" in listed["mine (others)"]["hint"]
    done = isorate(
        environment, tmp_path, "doctor", "--data", "samples", "--anchor", "jpeg", "--codec", "same", "--json"
    )
    found = {(item["group"], item["name"]): item for item in json.loads(done.stdout)["found"]}
    assert found["codec", "jpeg (others)"]["text"] == listed["jpeg (others)"]["hint"]
    assert not found["codec", "jpeg (others)"]["needed"]
    assert "is ignored" in found["metric", "psnr (others)"]["text"]


def test_metrics_whose_names_are_taken_are_listed(environment: dict[str, str], tmp_path: Path) -> None:
    done = isorate(environment, tmp_path, "metrics", "--json")
    assert done.returncode == 0, done.stderr
    listed = {metric["name"]: metric for metric in json.loads(done.stdout)}
    assert listed["ssim"]["available"]
    assert "psnr" not in listed
    for name in ("psnr", "ssim"):
        said = f"metric {name}: others:Metric of the package others is ignored, this is a built-in metric's name"
        assert listed[f"{name} (others)"]["hint"].startswith(said)
    assert "by more (more:Metric) and others (others:Metric); remove all but one" in listed["twice"]["hint"]


def test_without_such_plug_ins_none_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert not [codec.name for codec in list_codecs() if " " in codec.name]
    assert main(["metrics"]) == 0
    assert "ignored" not in capsys.readouterr().out


def test_which_of_two_a_run_takes_is_no_guess(environment: dict[str, str], tmp_path: Path) -> None:
    words = ("run", "--data", "samples", "--anchor", "jpeg", "-o", tmp_path / "run")
    for more in (("--codec", "twice"), ("--metric", "twice")):
        done = isorate(environment, tmp_path, *words, *more)
        assert done.returncode == 2
        assert f"{more[0][2:]} twice: several are offered under this name" in done.stderr
    done = isorate(environment, tmp_path, *words, "--metric", "psnr")
    assert done.returncode == 2
    assert "no metric 'psnr' to be added; it is always measured" in done.stderr
