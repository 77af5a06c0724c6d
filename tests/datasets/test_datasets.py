import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from isorate.datasets import download
from isorate.datasets.hashing import file_sha256
from isorate.datasets.kodak import ENVIRONMENT
from isorate.datasets.locate import Presence, locate
from isorate.datasets.manifest import load_manifest
from isorate.datasets.names import image_names
from isorate.datasets.registry import open_dataset
from isorate.datasets.writing import manifest_of
from isorate.errors import DatasetError, ImageError
from isorate.runs.paths import safe_name


def test_the_samples_are_real_photographs_without_a_download(tmp_path: Path) -> None:
    dataset = open_dataset("samples", tmp_path)
    assert [source.name for source in dataset.sources] == ["astronaut", "chelsea", "coffee"]
    assert all(not source.load().lossy for source in dataset.sources)


def test_a_folder_is_ordered_by_name_and_skips_other_files(two_photos: Path) -> None:
    (two_photos / "notes.txt").write_text("")
    dataset = open_dataset(str(two_photos), two_photos)
    assert [source.name for source in dataset.sources] == ["astronaut", "coffee"]


def test_equal_stems_stay_apart(two_photos: Path) -> None:
    PillowImage.open(two_photos / "coffee.png").save(two_photos / "coffee.bmp")
    dataset = open_dataset(str(two_photos), two_photos)
    assert [source.name for source in dataset.sources] == ["astronaut", "coffee.bmp", "coffee.png"]


def test_hidden_files_are_no_pictures(two_photos: Path) -> None:
    for name in (".DS_Store", "._coffee.png", ".hidden.png", "Thumbs.db"):
        (two_photos / name).write_bytes(b"\0\5\x16\7")
    dataset = open_dataset(str(two_photos), two_photos)
    assert [source.name for source in dataset.sources] == ["astronaut", "coffee"]


@pytest.mark.parametrize(("files", "names"), [
    (["photo.png", "photo.bmp", "photo.png.webp"], ["photo.png", "photo.bmp", "photo.png.webp"]),
    (["a.png", "A.jpg"], ["a.png", "A.jpg"]),
    (["a.png", "b.png.tiff", "b.png"], ["a", "b.png", "b"]),
    (["a.png.b.png", "a.png", "a.b.png"], ["a.png.b", "a", "a.b"]),
])  # fmt: skip
def test_names_are_as_short_as_they_may_be(files: list[str], names: list[str]) -> None:
    assert image_names([Path(file) for file in files]) == names


FILES = st.tuples(st.text("aA.-", min_size=1, max_size=5), st.sampled_from([".png", ".Png"])).map("".join)


@given(st.sets(FILES, max_size=12))
def test_no_two_pictures_have_one_name_even_where_case_does_not_count(files: set[str]) -> None:
    names = image_names([Path(file) for file in sorted(files)])
    assert len({name.casefold() for name in names}) == len(files)
    assert len({safe_name(name).casefold() for name in names}) == len(files)


@pytest.mark.parametrize(("make", "said"), [
    (lambda path: path.symlink_to("/nowhere/x.png"), r"is a link that leads to no file; .*git annex get"),
    (lambda path: path.symlink_to(path.name), "is a link that leads to no file"),
    (os.mkfifo, "is no plain file; remove it"),
])  # fmt: skip
def test_what_is_named_like_a_picture_and_is_none_is_told(
    two_photos: Path, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    make(two_photos / "absent.png")
    for read in (lambda: open_dataset(str(two_photos), tmp_path), lambda: manifest_of(two_photos)):
        with pytest.raises(DatasetError, match=f"absent.png: {said}"):
            read()


def test_links_to_pictures_are_pictures_and_folders_are_none(two_photos: Path, tmp_path: Path) -> None:
    (two_photos / "link.png").symlink_to("coffee.png")
    (two_photos / "folder.png").mkdir()
    names = [source.name for source in open_dataset(str(two_photos), tmp_path).sources]
    assert len(names) == 3
    assert "link" in names


def test_a_folder_behind_a_link_is_not_left_out_in_silence(two_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (two_photos / "more").symlink_to(tmp_path / "more")
    with pytest.raises(DatasetError, match="more: is a link to a folder, which is not followed"):
        manifest_of(two_photos)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DatasetError, match=r"pipe\.png: cannot be read: is no plain file"):
        file_sha256(tmp_path / "pipe.png")


def test_a_folder_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no such folder"):
        open_dataset(str(tmp_path / "nowhere"), tmp_path)
    with pytest.raises(DatasetError, match="no image files"):
        open_dataset(str(tmp_path / "empty"), tmp_path)


def test_a_file_that_bears_kodaks_name_must_be_kodaks(two_photos: Path) -> None:
    (two_photos / "coffee.png").rename(two_photos / "kodim07.png")
    with pytest.raises(DatasetError, match=r"kodim07\.png: not the published"):
        open_dataset(str(two_photos), two_photos)


def test_only_some_images(two_photos: Path) -> None:
    dataset = open_dataset(str(two_photos), two_photos)
    assert [source.name for source in dataset.only(["coffee"]).sources] == ["coffee"]
    with pytest.raises(ImageError, match="no image tea"):
        dataset.only(["tea"])


@pytest.mark.kodak
def test_kodak_in_the_users_folder_is_checked(kodak_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(kodak_dir))
    dataset = open_dataset("kodak", tmp_path)
    assert len(dataset.sources) == 24
    assert locate("kodak", tmp_path).state is Presence.FOUND

    copy = shutil.copytree(kodak_dir, tmp_path / "copy")
    monkeypatch.setenv(ENVIRONMENT, str(copy))
    (copy / "kodim05.png").chmod(0o644)
    (copy / "kodim05.png").write_bytes((kodak_dir / "kodim06.png").read_bytes())
    with pytest.raises(DatasetError, match=r"kodim05\.png: not the published"):
        open_dataset("kodak", tmp_path)
    assert locate("kodak", tmp_path).state is Presence.REFUSED
    (copy / "kodim05.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of 24 files missing \(kodim05\.png"):
        open_dataset("kodak", tmp_path)
    assert "1 of 24 files missing" in locate("kodak", tmp_path).said
    monkeypatch.delenv(ENVIRONMENT)
    assert locate("kodak", tmp_path / "empty").state is Presence.MISSING


def test_without_a_network_one_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)

    def unreachable(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(download, "_retrieve", unreachable)
    with pytest.raises(DatasetError) as error:
        open_dataset("kodak", tmp_path)
    said = str(error.value)
    assert str(tmp_path / "kodak") in said
    assert "make demo" in said
    assert said.count("no route") == len(load_manifest("kodak").mirrors)
    assert not list((tmp_path / "kodak").glob("*.png"))


def test_a_mirror_that_fails_is_tried_last_for_the_next_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, asked = load_manifest("kodak"), []

    def retrieve(url: str, sha256: str, name: str, folder: Path, most: int) -> None:
        asked.append(url)
        if url.startswith(manifest.mirrors[0].partition("{")[0]):
            raise OSError("down")
        (folder / name).touch()

    monkeypatch.setattr(download, "_retrieve", retrieve)
    download.download(manifest, [(file, tmp_path / file.path) for file in manifest.files[:2]], "")
    assert len(asked) == 3


def test_names_in_an_error_are_one_line(two_photos: Path, tmp_path: Path) -> None:
    shutil.copy(two_photos / "coffee.png", two_photos / "new\nline\u202e.png")
    with pytest.raises(ImageError, match=r"has no image a\\x0ab; it has .*new\\x0aline\\u202e") as error:
        open_dataset(str(two_photos), tmp_path).only(["a\nb"])
    assert "\n" not in str(error.value)
