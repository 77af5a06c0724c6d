"""Commands that print facts print them as JSON, too, and say nothing that nobody asked for."""

import json
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from isorate.cli import main
from isorate.image import Image


@pytest.fixture
def small_run(
    tmp_path: Path, coffee: Image, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    photos, out = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    PillowImage.fromarray(coffee[100:170, 150:250]).save(photos / "coffee.png")
    words = ["run", "--data", str(photos), "--anchor", "jpeg", "--codec", "jpeg2000", "--point", "quality=30",
             "-o", str(out), "--workers", "1", "--quiet"]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["isorate", *words])
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out == said.err == ""
    return out


def test_baseline_and_reproduce(small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "baseline.json"
    assert main(["baseline", str(small_run), "-o", str(file), "--no-probe", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"baseline": str(file), "rows": 2, "codecs": 2}
    assert main(["reproduce", str(small_run), "--workers", "1", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["counts"] == {"bit-equal": 2}
    assert said.err == ""  # no bar where no terminal is
    assert main(["reproduce", str(small_run), "--workers", "1", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
