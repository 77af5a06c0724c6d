"""What a script is told: every ending has its own number, and 1 is a verdict alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from isorate.cli import main
from isorate.runs.folder import Run


@pytest.fixture
def small(tmp_path: Path, two_photos: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, Path]:
    """A run of two pictures and its baseline, in which another numpy made the numbers."""
    run, baseline = tmp_path / "run", tmp_path / "baseline.json"
    words = ["run", "--data", str(two_photos), "--anchor", "jpeg", "--codec", "jpeg2000", "--point", "quality=30"]
    assert main([*words, "-o", str(run), "--workers", "1"]) == 0
    assert main(["baseline", str(run), "-o", str(baseline), "--no-probe"]) == 0
    held = json.loads(baseline.read_text("utf-8"))
    held["versions"]["numpy"] = "1.0"
    baseline.write_text(json.dumps(held), "utf-8")
    capsys.readouterr()
    return run, baseline


def isorate(*words: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "isorate", *map(str, words)], env={**os.environ, **environment}, capture_output=True,
        check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_stdout_of_any_encoding_changes_no_verdict(small: tuple[Path, Path], encoding: str) -> None:
    run, baseline = small
    done = isorate("check", run, "-b", baseline, PYTHONIOENCODING=encoding)
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr
    text = done.stdout.decode(encoding)
    assert ("→" in text) == (encoding == "utf-8")
    assert isorate("table", run, PYTHONIOENCODING=encoding).returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_no_verdict(small: tuple[Path, Path]) -> None:
    run, baseline = small
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-m", "isorate", "check", str(run), "-b", str(baseline)]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74
    assert done.stderr.decode().strip() == "isorate: No space left on device"


def test_a_fault_of_isorate_is_no_verdict_and_says_so(
    small: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(Run, "rows", broken)
    for command in (["check", str(small[0]), "-b", str(small[1])], ["table", str(small[0])]):
        assert main(command) == 70
        said = capsys.readouterr().err
        assert "this is a fault of isorate; please report it" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--data", "PHOTOS", "--anchor", "jpeg", "-o", "new", "--workers", "-1"], "-1 workers"),
        (["run", "--data", "PHOTOS", "--anchor", "jpeg", "-o", "new", "--workers", "0"], "0 workers"),
        (["baseline", "RUN", "-o", "b.json", "--workers", "-1"], "-1 workers"),
        (["encode", "PHOTO", "o.jpg", "--knob", "nan"], "takes values from 1 to 100"),
        (["encode", "PHOTO", "o.jpg", "--knob", "inf"], "takes values from 1 to 100"),
        (["encode", "PHOTO", "o.jpg", "--bpp", "nan"], "--bpp nan"),
        (["encode", "PHOTO", "o.jpg", "--bpp", "-1"], "--bpp -1"),
        (["encode", "PHOTO", "o.jpg", "--bpp", "1", "--tolerance", "-1"], "--tolerance -1"),
        (["encode", "PHOTO", "PHOTO", "--bpp", "1", "--codec", "jpeg"], "is the source itself"),
        (["decode", "PHOTO", "PHOTO", "--codec", "jpeg"], "is the file to decode itself"),
    ],
)
def test_a_users_mistake_is_one_line(
    small: tuple[Path, Path],
    two_photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = two_photos / "coffee.png"
    before = photo.read_bytes()
    names = {"PHOTOS": str(two_photos), "PHOTO": str(photo), "RUN": str(small[0])}
    assert main([names.get(word, word) for word in words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert photo.read_bytes() == before
    assert not (tmp_path / "new").exists()
