"""A run goes on: what nothing has touched is not read again, and whatever was touched is."""

import hashlib
import os
import shutil
import time
import warnings
from collections import Counter
from concurrent.futures import Executor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.datasets.base import Source
from isorate.datasets.images import LoadedImage, Part
from isorate.engine import images, runner
from isorate.errors import DatasetError, RunError
from isorate.image import Image
from isorate.runs import folder as folders
from isorate.runs.folder import Run

COUNT = 3


@pytest.fixture
def photos(tmp_path: Path, astronaut: Image) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COUNT):
        PillowImage.fromarray(astronaut[number : number + 40, number : number + 48]).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What is read or made, by kind, with a file system whose clock never stands still."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, what: str) -> None:
        real = getattr(owner, name)

        def counting(*args: Any, **more: Any) -> Any:
            counted[what] += 1
            return real(*args, **more)

        monkeypatch.setattr(owner, name, counting)

    count(Source, "load", "images")
    count(Run, "has_original", "originals")
    count(Run, "has_files", "files of rows")
    monkeypatch.setattr(folders, "SETTLED_NS", 1)
    monkeypatch.setattr(images, "SETTLED_NS", 1)
    return counted


def again(photos: Path, out: Path, executor: Executor, **more: Any) -> Run:
    return api.run(
        photos, out, anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"], executor=executor, use_cache=False,
        **more,
    )  # fmt: skip


def test_what_nothing_touched_is_not_read_again(
    photos: Path, tmp_path: Path, in_process: Executor, read: Counter[str]
) -> None:
    made = again(photos, tmp_path / "run", in_process)
    assert read["images"] == 2 * COUNT  # once for the manifest, once in the cells
    _touch_rows(made)
    read.clear()
    assert again(photos, tmp_path / "run", in_process).rows() == made.rows()
    assert not read


def _touch_rows(run: Run) -> None:
    """Make rows younger than their files, as they are where a clock tells the two writes apart."""
    time.sleep(0.05)
    for row in run.rows():
        run.write_row(row)
    run._newest_shard().sync()


def test_a_copied_run_is_read_once_more_and_then_known(
    photos: Path, tmp_path: Path, in_process: Executor, read: Counter[str]
) -> None:
    made = again(photos, tmp_path / "run", in_process)
    shutil.copytree(made.path, tmp_path / "copy")  # the times of the files' content are kept, those of their names not
    time.sleep(0.05)
    read.clear()
    again(photos, tmp_path / "copy", in_process)
    assert read == {"originals": COUNT, "files of rows": 2 * COUNT}
    read.clear()
    again(photos, tmp_path / "copy", in_process)
    assert not read


def test_a_picture_with_the_time_and_size_of_before_is_seen(
    photos: Path, tmp_path: Path, in_process: Executor, read: Counter[str]
) -> None:
    made = again(photos, tmp_path / "run", in_process)
    _touch_rows(made)
    stream = next((made.path / "streams").glob("001*.jpg"))
    before, about = stream.read_bytes(), stream.stat()
    time.sleep(0.05)
    stream.write_bytes(before[:-9] + bytes(9))
    os.utime(stream, ns=(about.st_atime_ns, about.st_mtime_ns))
    read.clear()
    again(photos, tmp_path / "run", in_process)
    assert stream.read_bytes() == before
    assert read["images"] == 1


def test_another_image_of_the_same_time_and_size_is_another_run(
    photos: Path, tmp_path: Path, in_process: Executor, read: Counter[str]
) -> None:
    for name in ("a", "b"):
        pixels = np.full((40, 48, 3), 100 if name == "a" else 101, np.uint8)
        PillowImage.fromarray(pixels).save(tmp_path / f"{name}.bmp")
        os.utime(tmp_path / f"{name}.bmp", (1e9, 1e9))
    shutil.copy2(tmp_path / "a.bmp", photos / "000.bmp")
    (photos / "000.png").unlink()
    again(photos, tmp_path / "run", in_process)
    shutil.copy2(tmp_path / "b.bmp", photos / "000.bmp")
    with pytest.raises(RunError, match="image 000: sha256 was"):
        again(photos, tmp_path / "run", in_process)


def test_images_that_another_version_read_are_read_again(
    photos: Path, tmp_path: Path, in_process: Executor, read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = again(photos, tmp_path / "run", in_process)
    _touch_rows(made)
    read.clear()
    monkeypatch.setattr(images, "_reader", lambda: "another")
    again(photos, tmp_path / "run", in_process)
    assert read == {"images": COUNT}


def test_new_classes_are_written_into_the_run_and_nothing_is_made_again(
    photos: Path, tmp_path: Path, in_process: Executor, read: Counter[str]
) -> None:
    table = photos / "set.csv"
    table.write_text("path,class\n" + "".join(f"{number:03}.png,\n" for number in range(COUNT)))
    made = again(table, tmp_path / "run", in_process)
    _touch_rows(made)
    read.clear()
    table.write_text("path,class\n" + "".join(f"{number:03}.png,c{number % 2}\n" for number in range(COUNT)))
    now = again(table, tmp_path / "run", in_process)
    assert read == {}
    assert now.rows() == made.rows()
    assert [image.image_class for image in Run.open(now.path).manifest.dataset.images] == ["c0", "c1", "c0"]


def test_a_checksum_that_the_manifest_changed_is_seen_though_the_file_did_not(
    photos: Path, tmp_path: Path, in_process: Executor, read: Counter[str]
) -> None:
    table = photos / "set.csv"
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(photos.glob("*.png"))}
    table.write_text("path,sha256\n" + "".join(f"{name},{digest}\n" for name, digest in digests.items()))
    made = again(table, tmp_path / "run", in_process)
    assert read["images"] == 2 * COUNT, "each file is read once before the run, where it is checked, and once in it"
    _touch_rows(made)
    read.clear()
    again(table, tmp_path / "run", in_process)
    assert read == {}
    table.write_text(table.read_text().replace(digests["001.png"], "0" * 64))
    with pytest.raises(DatasetError, match=r"001\.png: not the 001\.png of the manifest"):
        again(table, tmp_path / "run", in_process)
    assert Run.open(made.path).rows() == made.rows()


def test_a_file_that_changed_a_moment_ago_has_no_stamp(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("a")
    assert images.stamp(file) == ""
    assert images.stamp(tmp_path / "none") == ""


def test_the_parts_of_a_file_have_stamps_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "SETTLED_NS", 1)
    (tmp_path / "a").write_text("a")
    stamps = [
        images.stamp(tmp_path / "a", part) for part in (None, Part("x", 512, 9), Part("y", 512, 9), Part("x", 0, 9))
    ]
    assert len(set(stamps)) == len(stamps)


@pytest.mark.parametrize("text", ["", "[]", '{"000": 1}'])
def test_damaged_stamps_are_none(photos: Path, tmp_path: Path, in_process: Executor, text: str) -> None:
    made = again(photos, tmp_path / "run", in_process)
    (made.path / folders.STAMPS).write_text(text)
    assert made.stamps() == {}
    assert again(photos, tmp_path / "run", in_process).rows() == made.rows()


def test_the_start_says_how_far_it_is(photos: Path, tmp_path: Path, in_process: Executor) -> None:
    told: list[tuple[str, int, int]] = []
    again(photos, tmp_path / "run", in_process, preparing=lambda *now: told.append(now))
    assert told == [("reading images", done, COUNT) for done in range(1, COUNT + 1)]


def test_images_are_read_in_order_and_warnings_stay_as_they_were(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "AT_ONCE", 2)
    sources = [Source(path.stem, path) for path in sorted(photos.iterdir())]
    loaded: list[LoadedImage] = list(images.on_every_core(Source.load, sources, "reading", None))
    assert [one.sha256 for one in loaded] == [source.load().sha256 for source in sources]
    with pytest.warns(UserWarning, match="still told"):
        warnings.warn("still told", stacklevel=1)


@pytest.mark.parametrize("linked", ["", "folder", "files"])
def test_a_run_that_begins_anew_does_not_remove_what_it_compares(
    photos: Path, tmp_path: Path, in_process: Executor, linked: str
) -> None:
    """The originals of an earlier run are a data set like any other."""
    made = again(photos, tmp_path / "run", in_process)
    data = made.path / "originals"
    if linked == "folder":
        data = tmp_path / "link"
        data.symlink_to(made.path / "originals")
    elif linked:
        data = tmp_path / "links"
        data.mkdir()
        for file in (made.path / "originals").iterdir():
            (data / file.name).symlink_to(file)
    with pytest.raises(
        RunError, match=r"run: --overwrite would remove what is to be compared, .*000\.webp; give anoth"
    ):
        again(data, tmp_path / "run", in_process, overwrite=True)
    assert Run.open(made.path).rows() == made.rows()
    assert len(list(data.iterdir())) == COUNT
    assert all(row.ok for row in again(data, tmp_path / "other", in_process).rows())


def test_where_pictures_lie_is_asked_of_their_folders(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan: Any = SimpleNamespace(
        dataset=SimpleNamespace(sources=[Source(path.stem, path) for path in sorted(photos.iterdir())])
    )
    asked: list[Path] = []
    real = Path.resolve

    def counted(path: Path, strict: bool = False) -> Path:
        asked.append(path)
        return real(path, strict)

    monkeypatch.setattr(Path, "resolve", counted)
    runner._check_elsewhere(plan, tmp_path / "run")
    assert sorted(asked) == sorted([photos, *(tmp_path / "run" / folder for folder in folders.FOLDERS)])
