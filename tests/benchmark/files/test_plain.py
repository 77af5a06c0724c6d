"""Inputs that never end, wait for a writer or fill memory are one line at once."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from isorate import run
from isorate.cli import main
from isorate.files.plain import LARGEST_PICTURE, read_plain
from isorate.image import Image

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name on this system")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def giant(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGEST_PICTURE + 1)  # holes


UNUSABLE = pytest.mark.parametrize("make", [pipe, device, giant])
HOW: dict[str, Any] = {"anchor": "jpeg", "codecs": ["jpeg2000"], "points": ["quality=30"]}
REASONS = ("is no plain file", "has more than")


@UNUSABLE
def test_it_is_refused_before_it_is_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "input")
    with pytest.raises(OSError, match="|".join(REASONS)):
        read_plain(tmp_path / "input", 1000)


def test_a_file_of_just_the_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(bytes(1000))
    assert read_plain(tmp_path / "input", 1000) == bytes(1000)
    with pytest.raises(OSError, match="has more than 999 bytes"):
        read_plain(tmp_path / "input", 999)
    assert read_plain(Path(os.devnull), 0) == b""


def test_a_pipe_of_this_process_is_read_up_to_the_limit(tmp_path: Path) -> None:
    link = tmp_path / "link"
    for written, ends in ((b"0123456789", True), (bytes(11), False)):
        reader, writer = os.pipe()
        os.write(writer, written)
        os.close(writer)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/dev/fd/{reader}")
        if ends:
            assert read_plain(link, 10) == written
        else:
            with pytest.raises(OSError, match="has more than 10 bytes"):
                read_plain(link, 10)
        os.close(reader)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, coffee: Image) -> Path:
    """Return a run of one small picture."""
    folder = tmp_path_factory.mktemp("finished")
    with ThreadPoolExecutor(1) as executor:
        run(
            {"a": coffee[:32, :48]},
            folder / "run",
            anchor="jpeg",
            codecs=["jpeg2000"],
            points=["quality=30"],
            executor=executor,
        )
    return folder / "run"


@UNUSABLE
def test_every_input_of_the_command_line(
    make: Callable[[Path], None], finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [tmp_path / name for name in ("input", "input.json", "input.png", "input.jpg", "input.iso", "input.ofi")]
    for name in names:
        make(name)
    text, table, picture, *streams = map(str, names)
    done = str(finished)
    for code, words in [
        (2, ["report", done, "--published", text]),
        (2, ["report", done, "--published", table]),
        (2, ["figures", done, "--published", text]),
        (3, ["check", done, "--baseline", text]),
        (3, ["check", done, "--baseline", done, "--config", text]),
        (2, ["run", "--config", text, "-o", done]),
        (2, ["codecs", "--config", text]),
        (2, ["doctor", "--config", text]),
        (2, ["learned", "budget", text]),
        (2, ["train", text, "-o", str(tmp_path / "run-new")]),
        (2, ["encode", picture, str(tmp_path / "new.jpg"), "--bpp", "1"]),
        *[(2, ["decode", stream, str(tmp_path / "new.png")]) for stream in streams],
        (2, ["learned", "fuzz", streams[1]]),
        (2, ["overfitted", "fuzz", streams[2]]),
        (2, ["learned", "golden", "--out", str(tmp_path / "run-new"), "--weights", text]),
        (2, ["encode", picture, str(tmp_path / "a.iso"), "--bpp", "1", "-c", f"learned:model={text}"]),
    ]:
        capsys.readouterr()
        assert main(words) == code, words
        said = capsys.readouterr().err
        assert said.count("\n") == 1, words
        assert "Traceback" not in said
    assert not (tmp_path / "run-new").exists()


def test_a_giant_among_others_fails_alone(tmp_path: Path, coffee: Image) -> None:
    PillowImage.fromarray(coffee[:32, :48]).save(tmp_path / "a.png")
    giant(tmp_path / "b.png")
    with ThreadPoolExecutor(1) as executor:
        found = run(tmp_path, tmp_path / "run", **HOW, executor=executor)
    assert {(row.image, row.ok) for row in found.rows()} == {("a", True), ("b", False)}
