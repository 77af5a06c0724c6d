"""``isorate overfitted …``, on small pictures."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from safetensors.numpy import load_file

from isorate.cli import main
from isorate.codecs.learned.training.pack import pack
from isorate.codecs.overfitted.model.structure import parameters
from isorate.codecs.overfitted.tools import bench, golden, starting_weights

GOLDEN = Path(__file__).parents[2] / "data" / "overfitted"


def test_damaged_streams_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overfitted", "fuzz", str(GOLDEN / "chelsea_1x40.ofi"), "--count", "20"]) == 0
    assert "'refused': 20" in capsys.readouterr().out


def test_golden_streams_hold_and_others_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overfitted", "golden", "--out", str(GOLDEN), "--check"]) == 0
    assert "all streams hold" in capsys.readouterr().out
    shutil.copytree(GOLDEN, tmp_path / "other")
    picture = tmp_path / "other" / "chelsea_1x40.png"
    PillowImage.fromarray(np.asarray(PillowImage.open(picture)) ^ 128).save(picture)
    assert main(["overfitted", "golden", "--out", str(tmp_path / "other"), "--check"]) == 1
    assert capsys.readouterr().out == "chelsea_1x40: decodes to another picture\n"
    assert main(["overfitted", "golden", "--out", str(tmp_path / "other"), "--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["wrong"] == ["chelsea_1x40: decodes to another picture"]


def test_golden_streams_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of those that the index names; other files stay."""
    monkeypatch.setattr(golden, "CASES", (("coffee", (100, 133, 150, 170), 3.0, 4),))
    for name in ("holiday.png", "holiday.ofi", "earlier.ofi", "earlier.png", "coffee_20x33.png"):
        (tmp_path / name).write_bytes(b"of before")
    (tmp_path / "golden.json").write_text('{"earlier": 1, "lost": 2, "coffee_20x33": 3}')
    assert main(["overfitted", "golden", "--out", str(tmp_path)]) == 0
    made = {"coffee_20x33.ofi", "coffee_20x33.png", "golden.json"}
    assert {file.name for file in tmp_path.iterdir()} == {*made, "holiday.png", "holiday.ofi"}
    assert golden.failures(tmp_path) == []
    (tmp_path / "coffee_20x33.png").write_bytes(b"cut")
    assert golden.failures(tmp_path)[0].startswith("coffee_20x33: cannot be read: ")


def test_golden_streams_are_not_made_in_a_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text('{"weights": "0", "latents": {}}')
    assert main(["overfitted", "golden", "--out", str(tmp_path)]) == 2
    assert main(["overfitted", "golden", "--out", str(tmp_path / "nowhere"), "--check"]) == 2


def test_every_part_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "HEIGHT", 48)
    monkeypatch.setattr(bench, "WIDTH", 64)
    assert main(["overfitted", "bench", "--repeats", "1"]) == 0
    first, *parts = capsys.readouterr().out.splitlines()
    assert first.startswith("64×48, 1 threads")
    assert [part[:20].strip() for part in parts] == [name.strip() for name in bench.parts()]


def test_starting_weights_come_from_a_pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skimage.data import coffee

    PillowImage.fromarray(coffee()[:120, :160]).save(tmp_path / "coffee.png")
    pack(tmp_path / "pack", [tmp_path])
    for name, value in {"CROP": 32, "CANDIDATE_STEPS": 6, "TRIAL_STEPS": 4, "TRIALS": 1}.items():
        monkeypatch.setattr(starting_weights, name, value)
    out = tmp_path / "start.safetensors"
    assert main(["overfitted", "starting-weights", str(tmp_path / "pack"), "-o", str(out), "--candidates", "2"]) == 0
    assert {name: value.shape for name, value in load_file(out).items()} == parameters()
