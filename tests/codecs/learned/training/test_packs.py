"""Packs of photographs, and the crops that are cut from them."""

import io
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFile
from skimage import data as photographs

from isorate.cli import main
from isorate.codecs.learned.training.data import CropSampler, Pack
from isorate.codecs.learned.training.pack import decode, pack
from isorate.codecs.learned.training.settings import read_settings
from isorate.errors import DatasetError


@pytest.mark.parametrize("what", ["truncated", "none", "a folder", "a broken tar"])
def test_a_failed_pack_leaves_the_earlier_one(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    photograph = (config.parent / "sources" / "coffee.png").read_bytes()
    if what == "truncated":
        (broken / "a.png").write_bytes(photograph)
        (broken / "b.png").write_bytes(photograph[:5000])
    elif what == "a folder":
        (broken / "b.png").mkdir()
    elif what == "a broken tar":
        broken = tmp_path / "broken.tar.gz"
        with tarfile.open(broken, "w:gz") as tar:
            tar.add(config.parent / "sources")
        broken.write_bytes(broken.read_bytes()[:200_000])
    assert pack(tmp_path / "keep", [config.parent / "valid.tar"]) == 1
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert main(["learned", "pack", str(tmp_path / "keep"), str(broken)]) == 2
    assert re.fullmatch(r"isorate: .*broken.*; (fetch|name) .*\n|isorate: b\.png .*\n", capsys.readouterr().err)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} <= {"broken"}


def test_a_cut_photograph_is_not_packed_whatever_a_package_asked_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    PillowImage.fromarray(photographs.coffee()).save(out, "JPEG")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DatasetError, match=r"cut\.jpg cannot be decoded: .*truncated.*; fetch it again"):
        decode(("cut.jpg", out.getvalue()[:-200]))
    assert decode(("whole.jpg", out.getvalue()))[1].shape == photographs.coffee().shape


def test_a_pack_that_cannot_be_written_is_told(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"file.*: Not a directory; choose|file.*: File exists; choose"):
        pack(tmp_path / "file" / "pack", [config.parent / "valid.tar"])


def test_packs_with_points_in_their_names_are_two(config: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "v1.old", tmp_path / "v1.new"
    assert (pack(old, [config.parent / "valid.tar"]), pack(new, [config.parent / "sources"])) == (1, 2)
    assert (len(Pack(old)), len(Pack(new))) == (1, 2)
    assert (tmp_path / "v1.old.bin").stat().st_mode == (tmp_path / "v1.old.json").stat().st_mode
    for ending in ("bin", "json"):  # where they were before
        (tmp_path / f"v1.old.{ending}").rename(tmp_path / f"v1.{ending}")
    assert np.array_equal(Pack(old).image(0), photographs.chelsea()[:100, :90])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "damaged"),
        ('{"version": 1}', "damaged"),
        ('{"version": 1, "images": []}', "damaged"),
        ('{"version": 1, "images": [["chelsea.png", 0, 100]]}', "damaged"),
        ('{"version": 1, "images": [["chelsea.png", -1, 100, 90]]}', "damaged"),
        ('{"version": 1, "images": [["chelsea.png", 0, 100, 91]]}', r"has 27000 bytes, where .* names 27300"),
        ('{"version": 2}', "is of version 2, not 1"),
    ],
)
def test_a_damaged_index_of_a_pack_is_named(config: Path, tmp_path: Path, text: str, message: str) -> None:
    pack(tmp_path / "pack", [config.parent / "valid.tar"])
    (tmp_path / "pack.json").write_text(text)
    with pytest.raises(DatasetError, match=rf"pack\.(json|bin) .*{message}.*: pack again") as raised:
        Pack(tmp_path / "pack")
    assert "\n" not in str(raised.value)


def test_damaged_pixels_of_a_pack_are_named(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack(tmp_path / "pack", [config.parent / "valid.tar"])
    pixels = tmp_path / "pack.bin"
    text = re.sub('train = ".*"', f'train = "{tmp_path / "pack"}"', config.read_text())
    (tmp_path / "other.toml").write_text(text)
    for damage, message in (
        (lambda: pixels.write_bytes(pixels.read_bytes()[:-1]), "pack.bin has 26999 bytes"),
        (pixels.unlink, "pack.bin cannot be read: No such file or directory: pack again"),
    ):
        damage()
        assert main(["learned", "train", str(tmp_path / "other.toml"), "--out", str(tmp_path / "run")]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


def test_names_that_are_no_utf_8_are_packed(config: Path, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    photograph = (config.parent / "sources" / "coffee.png").read_bytes()
    try:
        (sources / os.fsdecode(b"caf\xe9.png")).write_bytes(photograph)
    except OSError:
        pytest.skip("this file system has UTF-8 names alone")
    pack(tmp_path / "pack", [sources])
    assert Pack(tmp_path / "pack").names == [os.fsdecode(b"caf\xe9.png")]


def test_crops_depend_on_seed_and_number_alone(config: Path) -> None:
    settings = read_settings(config)
    one, two = (CropSampler(Pack(settings.train_data), 64, 0.5, seed=7) for _ in range(2))
    two.batch(0, 5)
    assert np.array_equal(one.batch(3, 4), two.batch(3, 4))
    assert not np.array_equal(one.batch(3, 4), one.batch(4, 4))
    halves = [one.batch(3, 2, rank, 2) for rank in range(2)]
    assert np.array_equal(np.concatenate(halves), one.batch(3, 4))
