"""Data sets that a user added, on the command line."""

import json
import shlex
from pathlib import Path

import pytest

from isorate.cli import main
from isorate.datasets.added import ENVIRONMENT, added_names
from isorate.datasets.registry import names, open_dataset
from isorate.errors import DatasetError
from isorate.runs.folder import Run

from .conftest import SHA, sha256, tar_of, written


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_folder_is_added_listed_run_and_removed(
    classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["datasets", "add", "classes", "--name", "mine", "--licence", "CC0", "--class-by-folder"]) == 0
    assert "3 files; use it as --data mine" in capsys.readouterr().out
    assert main(["datasets", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert list(listed) == ["kodak", "samples", "mine"]
    about = {key: listed["mine"][key] for key in ("images", "licence", "classes", "added")}
    assert about == {"images": 3, "licence": "CC0", "classes": ["people", "things"], "added": True}
    assert f"3 of 3 files in {classes}" in listed["mine"]["where"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    how = ["run", "--data", "mine", "--anchor", "jpeg", "--codec", "jpeg", "--point", "quality=9", "--workers", "1"]
    assert main([*how, "-o", "run"]) == 0
    manifest = Run.open(Path("run")).manifest
    assert (manifest.dataset.name, manifest.dataset.licence) == ("mine", "CC0")
    assert [(image.name, image.image_class) for image in manifest.dataset.images] == [
        ("people/one", "people"), ("things/one", "things"), ("two", "things"),
    ]  # fmt: skip
    capsys.readouterr()
    assert main(["doctor", "--data", "mine", "--anchor", "jpeg", "--codec", "jpeg"]) == 0
    assert "3 of 3 files" in capsys.readouterr().out
    assert main(["datasets", "remove", "mine"]) == 0
    assert added_names() == []
    assert not list((tmp_path / "added").iterdir())
    assert "no data set was added as 'mine'" in refused(["datasets", "remove", "mine"], capsys)


def test_a_picture_that_changed_refuses_the_run(classes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "add", str(classes), "--name", "mine"]) == 0
    (classes / "people" / "one.png").write_bytes((classes / "things" / "one.png").read_bytes())
    said = refused(["run", "--data", "mine", "--anchor", "jpeg", "--codec", "jpeg", "-o", str(classes / "run")], capsys)
    assert "one.png: not the people/one.png of the manifest" in said
    assert not (classes / "run").exists()


def test_a_manifest_without_pictures_here_is_added_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = written(tmp_path, "set.csv", f"path,sha256,class\na.png,{SHA},sky\n")
    assert main(["datasets", "add", str(table), "--name", "later", "--source", "https://x.org"]) == 0
    capsys.readouterr()
    assert main(["datasets"]) == 0
    said = capsys.readouterr().out
    assert "later  1 images, 1 classes" in said
    assert "refused   0 of 1 files" in said
    assert "source    https://x.org" in said
    with pytest.raises(DatasetError, match="1 of 1 files missing"):
        open_dataset("later", None)
    table = written(tmp_path, "other.csv", "path\na.png\n")
    assert "a.png: cannot be read" in refused(["datasets", "add", str(table)], capsys)


def test_a_tar_and_a_list_are_added_with_their_checksums(classes: Path, tmp_path: Path) -> None:
    tar = tar_of(tmp_path / "shard.tar", classes)
    assert main(["datasets", "add", str(tar)]) == 0
    assert sha256(tar) in (tmp_path / "added" / "shard.csv").read_text()
    text = f"{classes}/things/two.png\n"
    assert main(["datasets", "add", str(written(tmp_path, "some.txt", text)), "--title", 'A "list"']) == 0
    assert open_dataset("some", None).sources[0].sha256 == sha256(classes / "things" / "two.png")
    assert open_dataset("some", None).title == 'A "list"'
    assert names() == ["kodak", "samples", "shard", "some"]


def test_a_manifest_is_written_for_others(classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = classes / "set.toml"
    assert main(["datasets", "add", str(classes), "--out", str(out), "--citation", "Me"]) == 0
    assert added_names() == []
    moved = classes.rename(tmp_path / "moved")
    dataset = open_dataset(str(moved / "set.toml"), None)
    assert (dataset.name, dataset.citation, len(dataset.sources)) == ("classes", "Me", 3)
    assert all(source.sha256 for source in dataset.sources)
    said = refused(["datasets", "add", str(moved), "--out", str(moved / "set.toml")], capsys)
    assert "is there already; give another file, or --overwrite" in said
    assert main(["datasets", "add", str(moved), "--out", str(moved / "set.toml"), "--overwrite"]) == 0
    assert "ends in .toml" in refused(["datasets", "add", str(moved), "--out", str(tmp_path / "x.csv")], capsys)


@pytest.mark.parametrize(("name", "said"), [
    ("kodak", "comes with isorate; give another name with --name"), ("Samples", "comes with isorate"),
    ("../up", "is no name for a data set"), ("a/b", "is no name"), ("x.toml", "is no name"), ("-x", "name"),
])  # fmt: skip
def test_a_name_shadows_nothing(name: str, said: str, classes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(["datasets", "add", str(classes), f"--name={name}"], capsys)
    assert added_names() == []


def test_a_name_is_replaced_only_when_asked(classes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["datasets", "add", str(classes)]
    assert main(add) == 0
    assert "added as 'classes' already; give another name with --name, or --overwrite" in refused(add, capsys)
    said = refused([*add, "--name", "Classes", "--overwrite"], capsys)
    assert "isorate datasets remove classes" in said
    assert main([*add, "--overwrite", "--title", "Now with a title"]) == 0
    assert open_dataset("classes", None).title == "Now with a title"
    assert "kodak comes with isorate and stays" in refused(["datasets", "remove", "kodak"], capsys)


def test_a_name_misspelt_is_guessed(classes: Path, tmp_path: Path) -> None:
    assert main(["datasets", "add", str(classes), "--name", "holiday"]) == 0
    with pytest.raises(DatasetError, match="no such data set or folder; did you mean 'holiday'"):
        open_dataset("holidy", tmp_path)


def test_a_damaged_manifest_is_told_and_the_others_are_listed(
    classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["datasets", "add", str(classes), "--name", "good"]) == 0
    written(tmp_path / "added", "bad.toml", "file = 3")
    written(tmp_path / "added", "kodak.toml", "file = 3")
    capsys.readouterr()
    assert main(["datasets"]) == 0
    said = capsys.readouterr().out
    assert "refused   " in said
    assert "bad.toml:1: file is 3" in said
    assert "good  3 images" in said
    assert names() == ["kodak", "samples", "bad", "good"]


def test_a_configuration_names_an_added_data_set(classes: Path, tmp_path: Path) -> None:
    from isorate.cli.config import settings

    assert main(["datasets", "add", str(classes), "--name", "mine"]) == 0
    config = written(tmp_path, "isorate.toml", 'data = "mine"')
    assert settings(config).data == "mine"
    config.write_text('data = "classes"')
    assert settings(config).data == str(tmp_path / "classes")


def test_a_user_without_a_home_is_told(
    classes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def homeless(*_: object, **__: object) -> str:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv(ENVIRONMENT)
    monkeypatch.setattr("platformdirs.user_data_dir", homeless)
    assert names() == ["kodak", "samples"]
    assert f"name a folder for them in {ENVIRONMENT}" in refused(["datasets", "add", str(classes)], capsys)
    assert "no such file or folder" in refused(["datasets", "add", "nowhere"], capsys)


def test_data_sets_of_publishers_are_added_as_the_documents_say(
    workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text("utf-8").partition("## CLIC, DIV2K")[2]
    lines = [shlex.split(line) for line in text.partition("\n## ")[0].splitlines() if line.startswith("isorate ")]
    assert len(lines) == 3
    for words in lines:
        assert main(words[1:]) == 0
    found = {name: open_dataset(name, workshop) for name in ("div2k-valid", "clic2020-test", "tecnick")}
    assert [source.name for source in found["div2k-valid"].sources] == ["0801", "0802"]
    assert {source.image_class for source in found["clic2020-test"].sources} == {"professional", "mobile"}
    assert found["tecnick"].licence == "CC BY-NC-SA 3.0"
    assert all(len(source.sha256) == 64 for dataset in found.values() for source in dataset.sources)
    (workshop / "DIV2K_valid_HR" / "0801.png").write_bytes((workshop / "photos" / "coffee.png").read_bytes())
    how = ["run", "--data", "div2k-valid", "--anchor", "jpeg", "--point", "quality=9", "--workers", "1"]
    assert "0801.png" in refused([*how, "-o", "changed"], capsys)
