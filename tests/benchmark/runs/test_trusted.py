"""A run folder is checked before it is trusted, and nothing in it leads out of it."""

import json
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.cli import main
from isorate.errors import RunError
from isorate.image import Image
from isorate.runs.folder import Run
from isorate.runs.lossless import to_lossless


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, astronaut: Image, coffee: Image) -> Path:
    """A folder with two photographs and their run."""
    folder = tmp_path_factory.mktemp("trusted")
    (folder / "photos").mkdir()
    PillowImage.fromarray(astronaut[20:195, 130:321]).save(folder / "photos" / "astronaut.png")
    PillowImage.fromarray(coffee[100:270, 150:350]).save(folder / "photos" / "coffee.png")
    with ThreadPoolExecutor(1) as executor:
        again(folder, executor)
    return folder


def again(folder: Path, executor: Executor) -> Run:
    """Give the same command."""
    return api.run(
        folder / "photos", folder / "run", anchor="jpeg", codecs=["jpeg2000"], points=["quality=20"],
        executor=executor, use_cache=False,
    )  # fmt: skip


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def contents(run: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(run)): file.read_bytes()
        for name in ("streams", "decoded", "originals")
        for file in sorted((run / name).iterdir())
    }


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def another_picture(file: Path) -> None:
    file.write_bytes(to_lossless(np.zeros((170, 200, 3), np.uint8))[0])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:300]),
    "empty": lambda file: file.write_bytes(b""),
    "one bit": flipped,
    "another picture": another_picture,
}


@pytest.mark.parametrize("what", ["streams", "decoded", "originals"])
@pytest.mark.parametrize("how", DAMAGE)
def test_the_same_command_restores_what_is_lost(what: str, how: str, folder: Path, in_process: Executor) -> None:
    before = contents(folder / "run")
    rows = {row.key: row.stream_sha256 for row in Run.open(folder / "run").rows()}
    DAMAGE[how](next((folder / "run" / what).glob("coffee*")))
    assert contents(folder / "run") != before
    done = again(folder, in_process)
    assert contents(folder / "run") == before
    assert {row.key: row.stream_sha256 for row in done.rows()} == rows


def test_what_is_whole_is_not_made_again(folder: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isorate.engine.execution.run_cell", lambda cell: pytest.fail(f"{cell.source.name} is run"))
    again(folder, in_process)


def changed_row(folder: Path, **fields: Any) -> None:
    made = Run.open(folder / "run")
    row = next(row for row in made.rows() if row.key == ("coffee", "jpeg-quality20", "jpeg2000"))
    made.write_row(replace(row, **fields))


READERS = {
    "table": ["table", "run"],
    "report": ["report", "run", "-o", "page", "--single-file"],
    "figures": ["figures", "run", "-o", "drawn", "--format", "png", "--dpi", "40"],
    "compare": ["compare", "run", "run"],
    "baseline": ["baseline", "run", "--no-probe", "-o", "b.json"],
    "reproduce": ["reproduce", "run"],
}


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize("path", [
    "../secret.webp", "decoded/../../secret.webp", "ABSOLUTE", "decoded/deeper/x.webp", "decoded/x.foo",
    "streams/x.webp",
])  # fmt: skip
def test_a_path_that_leads_out_is_refused_by_every_reader(
    command: str, path: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    secret = folder / "secret.webp"
    shutil.copy(next((folder / "run" / "decoded").glob("coffee*jpeg2000*")), secret)
    changed_row(folder, decoded=str(secret) if path == "ABSOLUTE" else path)
    # refused before a cell is repeated, not after hours of it
    monkeypatch.setattr("isorate.engine.reproduce.run_plan", lambda *_, **__: pytest.fail("the run is repeated"))
    assert main(READERS[command]) == 2
    said = capsys.readouterr().err
    assert "is no path inside a run" in said
    assert re.search(r"rows/000002-.*\.jsonl, line 1: ", said)
    assert said.count("\n") == 1


@pytest.mark.parametrize("field", ["stream", "decoded"])
def test_a_link_that_leads_out_is_not_followed(
    field: str, folder: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(folder)
    row = next(row for row in Run.open(folder / "run").rows() if (row.image, row.codec) == ("coffee", "jpeg2000"))
    place = folder / "run" / getattr(row, field)
    secret = folder / f"secret{place.suffix}"
    place.rename(secret)
    place.symlink_to(secret)
    run = Run.open(folder / "run")
    with pytest.raises(RunError, match="is a link that leads out of the run"):
        run.file(getattr(row, field))
    if field == "decoded":
        assert main(["report", "run"]) == 0
        page = (folder / "run" / "report" / "index.html").read_text("utf-8")
        assert "Pictures missing" in page
        assert "leads out of the run" in page
        assert not (folder / "run" / "report" / "frames" / place.name).exists()
        assert main(READERS["figures"]) == 0
        assert "leads out of the run" in capsys.readouterr().err
    before = secret.read_bytes()
    again(folder, in_process)
    assert not place.is_symlink()
    assert place.read_bytes() == secret.read_bytes() == before


@pytest.mark.parametrize("name", ["rows", "streams", "decoded", "originals"])
def test_nothing_is_written_through_a_link(
    name: str, folder: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    outside = tmp_path / "outside"
    shutil.move(folder / "run" / name, outside)
    (folder / "run" / name).symlink_to(outside)
    before = {file.name: file.stat().st_mtime_ns for file in outside.iterdir()}
    next(iter(outside.iterdir())).unlink()
    with pytest.raises(RunError, match=f"{name}: is a link that leads out of the run"):
        again(folder, in_process)
    left = {file.name: file.stat().st_mtime_ns for file in outside.iterdir()}
    assert len(left) == len(before) - 1
    assert left.items() <= before.items()
    run = Run.open(folder / "run")
    uses: dict[str, Callable[[], object]] = {
        "rows": run.rows,
        "streams": lambda: run.write_stream("a", "p", "c", ".x", b""),
        "decoded": lambda: run.write_decoded("a", "p", "c", (b"", ".webp")),
        "originals": lambda: run.original("coffee"),
    }
    with pytest.raises(RunError, match="leads out of the run"):
        uses[name]()


def test_the_figures_folder_and_the_pins_are_no_links_either(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    (tmp_path / "outside").mkdir()
    (folder / "run" / "figures").symlink_to(tmp_path / "outside")
    assert main(["figures", "run", "--format", "png", "--dpi", "40"]) == 2
    assert "leads out of the run" in capsys.readouterr().err
    assert not list((tmp_path / "outside").iterdir())
    (tmp_path / "secret.toml").write_text("secret")
    (folder / "run" / "crops.toml").symlink_to(tmp_path / "secret.toml")
    assert main(["report", "run"]) == 2
    assert "leads out of the run" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_pipe_is_no_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    file = next((folder / "run" / "decoded").glob("coffee*jpeg2000*"))
    file.unlink()
    os.mkfifo(file)
    assert main(["report", "run"]) == 0


@pytest.mark.parametrize("name", ["manifest.json", "rows/*"])
def test_what_cannot_be_read_to_its_end_is_told(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    file = sorted(Path("run").glob(name))[0]
    for make, said in ((os.mkfifo, "is n"), (Path.mkdir, "is n"), (_huge, "the most that is read")):
        file.unlink()
        make(file)
        assert main(["table", "run"]) == 2
        assert said in capsys.readouterr().err
        if file.is_dir():
            file.rmdir()
            file.touch()


def _huge(file: Path) -> None:
    with file.open("wb") as out:
        out.truncate(2**40)  # of holes: it takes no room


@pytest.mark.parametrize("out", ["afile", "afile/run"])
def test_a_file_is_no_run_folder(
    out: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    Path("afile").write_text("kept")
    assert main(["run", "--data", "photos", "--anchor", "jpeg", "--codec", "jpeg2000", "-o", out]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("isorate: afile")
    assert Path("afile").read_text() == "kept"


def test_one_unreadable_picture_costs_nothing_else(
    two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    monkeypatch.chdir(tmp_path)
    (two_photos / "empty.png").write_bytes(b"")
    words = ["run", "--data", str(two_photos), "--anchor", "jpeg", "--codec", "jpeg2000", "--point", "quality=30"]
    for _ in range(2):
        assert main([*words, "-o", "run"]) == 1
        assert main(["report", "run"]) == 0
    page = Path("run/report/index.html").read_text("utf-8")
    assert "The original of empty is not in the run." in page
    assert "JPEG: failures" in page
    frames = [path.name for path in Path("run/report/frames").iterdir() if "neighbour" not in path.name]
    assert len(frames) == 4
    assert main(READERS["figures"]) == 0
    assert Path("drawn/crops-coffee-jpeg-quality30.png").is_file()
    assert Path("drawn/full.png").is_file()
    assert main(["supplement", "run"]) == 0
    capsys.readouterr()
    assert main(["reproduce", "run"]) == 0
    said = capsys.readouterr()
    assert "4 rows bit-equal" in said.out
    assert "empty is left out" in said.err


def test_a_lost_original_costs_its_own_rows_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    monkeypatch.chdir(folder)
    another_picture(folder / "run" / "originals" / "coffee.webp")
    assert main(["reproduce", "run"]) == 1
    said = capsys.readouterr().out
    assert "2 rows bit-equal, 0 rows equal in size and metrics, 2 rows different" in said
    assert said.count("coffee.webp: is not the picture of the manifest") == 2
    assert main(READERS["report"]) == 0
    assert main(READERS["figures"]) == 0
    assert "coffee, the original" in capsys.readouterr().err


@pytest.fixture
def unfinished(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of which a whole picture is missing, whose other rows are all there."""
    monkeypatch.chdir(folder)
    assert main(["baseline", "run", "--no-probe", "-o", "b.json"]) == 0
    shutil.copytree("run", "whole")
    Run.open(Path("run")).remove_rows(row.key for row in Run.open(Path("run")).rows() if row.image == "coffee")
    return folder


SAID = "unfinished: 2 of 4 rows"


@pytest.mark.parametrize("form", ["markdown", "csv", "json", "latex", "compressai"])
def test_a_table_says_that_the_run_is_unfinished(
    form: str, unfinished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["table", "run", "--format", form]) == 0
    said = capsys.readouterr()
    if form == "markdown":
        assert SAID in said.out
        assert "Nothing is there yet of 1 image: coffee" in said.out
    else:
        assert said.err == f"run: {SAID}\n"
    assert main(["table", "whole", "--format", form]) == 0
    said = capsys.readouterr()
    assert "unfinished" not in said.out + said.err


def test_every_reader_says_that_the_run_is_unfinished(unfinished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(READERS["report"]) == 0
    page = Path("page/index.html").read_text("utf-8")
    assert f"The run is {SAID}." in page
    assert re.search(r'"unfinished": ?{"(planned|there)": ?[24], ?"(planned|there)": ?[24]}', page)
    capsys.readouterr()
    assert main(READERS["figures"]) == 0
    assert f"run: {SAID}" in capsys.readouterr().err
    for form in ("table", "markdown", "junit", "github"):
        assert main(["check", "run", "-b", "b.json", "--format", form]) == 1
        assert SAID in capsys.readouterr().out
    assert main(["check", "run", "-b", "b.json", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["unfinished"] == {"there": 2, "planned": 4}
    assert main(["check", "whole", "-b", "b.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unfinished"] is None
    assert main(["compare", "whole", "run"]) == 0
    assert f"run is {SAID}." in capsys.readouterr().out
    assert main(["compare", "whole", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unfinished"] == [None, {"there": 2, "planned": 4}]
    assert main(["baseline", "run", "-o", "c.json"]) == 2
    assert SAID in capsys.readouterr().err
