"""Tars of pictures: read where they lie, and refused where they hold anything else than files in their own tree."""

import contextlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isorate import api
from isorate.datasets.registry import open_dataset
from isorate.datasets.tars import LARGEST_HEADER, pictures_in
from isorate.errors import DatasetError, ImageError

from .conftest import sha256, tar_of, written

Change = Callable[[tarfile.TarInfo], object]


def tar_with(path: Path, *members: tuple[str, Change], data: bytes = b"x" * 700) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, change in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            change(info)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_pictures_are_read_from_where_they_lie(form: int, classes: Path, tmp_path: Path) -> None:
    (classes / "notes.json").write_text("{}")
    (classes / "._two.png").write_text("")
    if form != tarfile.USTAR_FORMAT:
        deep = classes / "things" / ("long" * 30) / "Fjörd.png"
        deep.parent.mkdir()
        deep.write_bytes((classes / "things" / "two.png").read_bytes())
    tar = tar_of(tmp_path / "set.tar", classes, form)
    dataset = open_dataset(str(tar), None)
    files = {file.relative_to(classes).as_posix(): file for file in classes.rglob("[!.]*.png")}
    assert {source.file_name.removeprefix("set.tar/") for source in dataset.sources} == set(files)
    for source in dataset.sources:
        alone = open_dataset(str(files[source.file_name.removeprefix("set.tar/")].parent), None)
        same = [other.load() for other in alone.sources if source.file_name.endswith(other.file_name)]
        assert np.array_equal(source.load().pixels, same[0].pixels)
        assert source.load().file_sha256 == same[0].file_sha256
    assert sorted(tmp_path.iterdir()) == [classes, tar], "nothing is unpacked"


def test_a_run_of_a_tar_continues_without_reading_it_again(classes: Path, tmp_path: Path, in_process: object) -> None:
    tar = tar_of(tmp_path / "set.tar", classes)
    how = {"anchor": "jpeg", "codecs": [], "points": ["quality=9"], "executor": in_process}
    run = api.run(tar, tmp_path / "run", **how)  # type: ignore[arg-type]
    assert [row.status for row in run.rows()] == ["ok"] * 3
    entries = {entry.file: entry.source_sha256 for entry in run.manifest.dataset.images}
    assert entries == {
        f"set.tar/{name}": sha256(classes / name) for name in ("people/one.png", "things/one.png", "things/two.png")
    }
    again = api.run(tar, tmp_path / "run", **how)  # type: ignore[arg-type]
    assert again.manifest.dataset == run.manifest.dataset


def test_shards_stand_beside_pictures_and_are_checked(classes: Path, tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "things.tar", classes / "things")
    head = f'[[file]]\npath = "things.tar"\nsha256 = "{sha256(tar)}"\nclass = "things"\n'
    manifest = written(tmp_path, "set.toml", head + '[[file]]\npath = "classes/people/one.png"\n')
    dataset = open_dataset(str(manifest), None)
    found = [(source.name, source.image_class) for source in dataset.sources]
    assert found == [("things.tar/one", "things"), ("two", "things"), ("classes/people/one", "")]
    with tar.open("r+b") as file:
        file.seek(600)
        file.write(b"?")
    with pytest.raises(DatasetError, match=r"things\.tar: not the things\.tar of the manifest"):
        open_dataset(str(manifest), None)


def test_the_class_in_a_tar_may_be_the_folders(classes: Path, tmp_path: Path) -> None:
    tar_of(tmp_path / "set.tar", classes)
    manifest = written(tmp_path, "all.toml", 'class_by_folder = true\n[[file]]\npath = "set.tar"\n')
    assert [source.image_class for source in open_dataset(str(manifest), None).sources] == [
        "people", "things", "things",
    ]  # fmt: skip


def kind(of: bytes) -> Change:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.size, info.linkname = of, 0, "/etc/passwd"

    return change


HOSTILE = {
    "absolute": (("/etc/a.png", id), "leads out of it"),
    "up": (("a/../../b.png", id), "leads out of it"),
    "up, no picture": (("../notes.txt", id), "leads out of it"),
    "backslash": (("a\\b.png", id), "leads out of it"),
    "symlink": (("a.png", kind(tarfile.SYMTYPE)), "no plain file"),
    "hard link": (("a.png", kind(tarfile.LNKTYPE)), "no plain file"),
    "device": (("a.png", kind(tarfile.BLKTYPE)), "no plain file"),
    "pipe": (("a.png", kind(tarfile.FIFOTYPE)), "no plain file"),
    "no picture": (("a.txt", id), "has no pictures"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_tar_of_pictures_needs_is_refused(what: str, tmp_path: Path) -> None:
    member, said = HOSTILE[what]
    with pytest.raises(DatasetError, match=said):
        pictures_in(tar_with(tmp_path / "bad.tar", member))


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has 'a\.png' twice"):
        pictures_in(tar_with(tmp_path / "bad.tar", ("a.png", id), ("b.png", id), ("a.png", id)))


def header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.GNU_FORMAT)


def claiming(size: int, of: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo("a.png")
    info.size, info.type = size, of
    return header(info)


@pytest.mark.parametrize("data", [
    b"", b"x", b"x" * 512, b"\0" * 1024, claiming(2**62), claiming(-512), claiming(-(2**40)),
    claiming(2**50, tarfile.XHDTYPE), claiming(-512, tarfile.XHDTYPE), claiming(LARGEST_HEADER, tarfile.XHDTYPE),
    claiming(2**50, tarfile.GNUTYPE_LONGNAME), claiming(-512, tarfile.GNUTYPE_LONGNAME),
    claiming(0, tarfile.GNUTYPE_SPARSE), claiming(0, tarfile.GNUTYPE_LONGNAME) * 3000,
    claiming(0, tarfile.XHDTYPE) * 3000, claiming(600) + b"x" * 1023,
    claiming(600) + b"x" * 1024 + b"y" * 512,
])  # fmt: skip
def test_damaged_and_lying_tars_are_one_error(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.tar").write_bytes(data)
    with pytest.raises(DatasetError, match=r"bad\.tar"):
        pictures_in(tmp_path / "bad.tar")


def test_sizes_in_further_headers_that_lead_backwards_are_refused(tmp_path: Path) -> None:
    def shrink(info: tarfile.TarInfo) -> None:
        info.pax_headers = {"size": "-1024"}

    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.png")
        shrink(info)
        tar.addfile(info)
    with pytest.raises(DatasetError, match=r"bad\.tar: is no whole, uncompressed tar"):
        pictures_in(path)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_tar_is_told(mode: str, classes: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar", mode) as tar:  # type: ignore[call-overload]
        tar.add(classes, "classes")
    with pytest.raises(DatasetError, match="no whole, uncompressed tar"):
        pictures_in(tmp_path / "set.tar")


def test_two_tars_in_a_row_are_not_taken_for_the_first(classes: Path, tmp_path: Path) -> None:
    one = tar_of(tmp_path / "one.tar", classes / "people").read_bytes()
    (tmp_path / "two.tar").write_bytes(one + tar_of(tmp_path / "x.tar", classes / "things").read_bytes())
    with pytest.raises(DatasetError, match="not its end"):
        pictures_in(tmp_path / "two.tar")


def test_a_tar_that_became_shorter_is_an_image_error(classes: Path, tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "set.tar", classes)
    sources = open_dataset(str(tar), None).sources
    tar.write_bytes(tar.read_bytes()[:2000])
    with pytest.raises(ImageError, match=r"set\.tar/things/two\.png: cannot be read: the file around it"):
        sources[-1].load()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 2600), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_is_one_error_or_pictures_inside(tmp_path: Path, damage: list[tuple[int, int]]) -> None:
    path = tar_with(tmp_path / "any.tar", ("a.png", id), ("long" * 40 + ".png", id))
    data = bytearray(path.read_bytes())
    for at, value in damage:
        data[at] = value
    for start in (0, 512 * 3):  # a header with a right checksum is read further
        block = data[start : start + 512]
        block[148:156] = b" " * 8
        data[start + 148 : start + 156] = f"{sum(block):06o}\0 ".encode()
    path.write_bytes(data)
    with contextlib.suppress(DatasetError):
        for part in pictures_in(path):
            assert 0 < part.offset <= part.offset + part.num_bytes <= len(data)
