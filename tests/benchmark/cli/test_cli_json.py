"""JSON for scripts: one document on standard output, and nothing else there."""

import json
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from isorate.cli import main
from isorate.image import Image


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def run(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        assert main(list(words)) == code
        return json.loads(capsys.readouterr().out)

    return run


def test_encode(printed: Callable[..., Any], tmp_path: Path, photo: Image) -> None:
    source, out = tmp_path / "a.png", tmp_path / "a.jpg"
    PillowImage.fromarray(photo).save(source)
    said = printed("encode", str(source), str(out), "--bpp", "0.8", "--json")
    assert said["bytes"] == out.stat().st_size
    assert said["bpp"] == pytest.approx(0.8, rel=0.005)
    assert printed("encode", str(source), str(out), "--knob", "30", "--json")["knobs"] == [30]
    words = [
        "encode",
        str(source),
        str(tmp_path / "a.iso"),
        "--codec",
        "learned:model=small",
        "--knob",
        "0.01",
        "--json",
    ]
    assert printed(*words)["knobs"] == pytest.approx([0.01, 2**0.75])


def test_decode(printed: Callable[..., Any], tmp_path: Path) -> None:
    stream = Path(__file__).parents[2] / "data" / "overfitted" / "coffee_69x77.ofi"
    said = printed("decode", str(stream), str(tmp_path / "a.png"), "--json")
    assert (said["width"], said["height"], said["bytes"]) == (69, 77, stream.stat().st_size)
    assert said["bpp"] == pytest.approx(8 * said["bytes"] / (69 * 77))
    assert said["bits_by_part"]["y0"] > 0


def test_run(
    printed: Callable[..., Any],
    tmp_path: Path,
    two_photos: Path,
    in_process: Executor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
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
    monkeypatch.setenv("ISORATE_CACHE_DIR", str(tmp_path / "cache"))
    counts = {"run": str(tmp_path / "r"), "rows": 4, "failed": 0, "noted": 0, "cached": 0}
    assert printed(*words, "--json") == counts
    words[-1] = str(tmp_path / "from-the-cache")
    assert printed(*words, "--json") == {**counts, "run": words[-1], "cached": 4}
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(words) == 0
    assert "4 rows, 0 failed, 0 from the cache; next: isorate report" in capsys.readouterr().out


def test_datasets(printed: Callable[..., Any]) -> None:
    listed = {entry["name"]: entry for entry in printed("datasets", "--json")}
    assert listed["samples"]["where"].startswith("found")
    assert listed["kodak"]["images"] == 24
