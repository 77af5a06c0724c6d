"""JSON for scripts: one document on standard output, and nothing else there."""

import json
from contextlib import nullcontext

import pytest
from PIL import Image

from isorate.cli import main


@pytest.fixture
def printed(capsys):
    def run(*words, code=0):
        capsys.readouterr()
        assert main(list(words)) == code
        return json.loads(capsys.readouterr().out)

    return run


def test_encode(printed, tmp_path, photo):
    source, out = tmp_path / "a.png", tmp_path / "a.jpg"
    Image.fromarray(photo).save(source)
    said = printed("encode", str(source), str(out), "--bpp", "0.8", "--json")
    assert said["bytes"] == out.stat().st_size
    assert said["bpp"] == pytest.approx(0.8, rel=0.005)
    assert printed("encode", str(source), str(out), "--knob", "30", "--json")["knobs"] == [30]


def test_run(printed, tmp_path, two_photos, in_process, monkeypatch):
    monkeypatch.setattr("isorate.engine.execution.worker_pool", lambda workers: nullcontext(in_process))
    words = [
        "run",
        "--data",
        str(two_photos),
        "--anchor",
        "jpeg",
        "--codec",
        "jpeg:chroma=444",
        "-o",
        str(tmp_path / "r"),
    ]
    assert printed(*words, "--json") == {"run": str(tmp_path / "r"), "rows": 4, "failed": 0, "noted": 0}


def test_datasets(printed):
    listed = {entry["name"]: entry for entry in printed("datasets", "--json")}
    assert listed["samples"]["where"].startswith("found")
    assert listed["kodak"]["images"] == 24
