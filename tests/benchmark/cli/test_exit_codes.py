"""What a script is told: every ending has its own number, and 1 is a verdict alone."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image as PillowImage

from isorate.cli import main
from isorate.image import Image
from isorate.runs.folder import Run


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, coffee: Image) -> tuple[Path, Path]:
    """A run and its baseline, in which another numpy made the numbers; in a folder whose name is no UTF-8."""
    folder = tmp_path_factory.mktemp("small") / os.fsdecode(b"\xff")
    try:
        folder.mkdir()
    except OSError:  # this file system takes UTF-8 only
        folder = tmp_path_factory.mktemp("small")
    run, baseline, photos = folder / "run", folder / "baseline.json", folder / "photos"
    photos.mkdir()
    PillowImage.fromarray(coffee[100:170, 150:250]).save(photos / "coffee.png")
    words = ["run", "--data", str(photos), "--anchor", "jpeg", "--codec", "jpeg2000", "--point", "quality=30"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
        patch.setattr("sys.argv", ["isorate", *words])
        assert main([*words, "-o", str(run), "--workers", "1"]) == 0
    assert main(["baseline", str(run), "-o", str(baseline), "--no-probe"]) == 0
    held = json.loads(baseline.read_text("utf-8"))
    held["versions"]["numpy"] = "1.0"
    baseline.write_text(json.dumps(held), "utf-8")
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
    assert done.stderr.decode().strip() == "isorate: standard output: No space left on device"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize(("redirection", "code"), [(">&-", 2), ("2>&-", 2), (">&- 2>&-", 2), ("<&-", 2)])
def test_a_closed_stream_is_no_verdict(small: tuple[Path, Path], redirection: str, code: int) -> None:
    words = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "isorate", "check", *map(str, small[:1])]
    done = subprocess.run([*words, "-b", str(small[1])], capture_output=True, check=False)
    assert done.returncode == code, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_what_cannot_even_be_told_keeps_its_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        words = [sys.executable, "-m", "isorate", "check", str(tmp_path), "-b", "nowhere.json"]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=full, check=False)
    assert (done.returncode, done.stdout) == (3, b"")


def test_paths_that_are_no_utf_8_are_written_as_readable_text(small: tuple[Path, Path], tmp_path: Path) -> None:
    run, baseline = map(str, small)
    saved = [word for name in ("c.json", "c.xml", "c.md", "c.txt") for word in ("--save", str(tmp_path / name))]
    assert main(["check", run, "-b", baseline, *saved]) == 2
    assert main(["report", run, "-o", str(tmp_path / "page")]) == 0
    assert main(["compare", run, run, "--html", str(tmp_path / "compared.html")]) == 0
    assert main(["baseline", run, "-o", str(tmp_path / os.fsdecode(b"\xff.json")), "--no-probe"]) == 0


def test_the_outcome_is_never_saved_over_the_baseline(
    small: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = small[1].read_bytes()
    assert main(["check", str(small[0]), "-b", str(small[1]), "--save", str(small[1])]) == 3
    assert "is the baseline itself" in capsys.readouterr().err
    assert small[1].read_bytes() == before


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
        (["run", "--data", "PHOTOS", "--anchor", "jpeg", "-o", "new", "--workers", "-1"], "--workers: '-1'"),
        (["run", "--data", "PHOTOS", "--anchor", "jpeg", "-o", "new", "--workers", "0"], "--workers: '0'"),
        (["baseline", "RUN", "-o", "b.json", "--workers", "-1"], "--workers: '-1'"),
        (["encode", "PHOTO", "o.jpg", "--knob", "nan"], "jpeg: quality takes a number from 1 to 100, not nan"),
        (["encode", "PHOTO", "o.jpg", "--knob", "inf"], "jpeg: quality takes a number from 1 to 100, not inf"),
        (
            ["encode", "PHOTO", "o.jpg", "--codec", "jpeg:mode=integer", "--knob", "30.5"],
            "jpeg: quality takes a whole number from 1 to 100, not 30.5",
        ),
        (["encode", "PHOTO", "o.jpg", "--bpp", "nan"], "--bpp: 'nan'"),
        (["encode", "PHOTO", "o.jpg", "--bpp", "-1"], "--bpp: '-1'"),
        (["encode", "PHOTO", "o.jpg", "--bpp", "1", "--tolerance", "-1"], "--tolerance: '-1'"),
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


def test_a_working_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    command = f"cd {folder} && rmdir {folder} && {sys.executable} -m isorate metrics"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "isorate: the folder that this command was started in no longer exists; go to another: cd FOLDER\n"
    )


def test_no_error_speaks_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(tmp_path / "a\x1b[31m\u202ex\x9b")]) == 2
    said = capsys.readouterr().err
    assert "a\\x1b[31m\\u202ex\\x9b" in said
    assert not set("\x1b\u202e\x9b") & set(said)
