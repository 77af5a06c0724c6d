"""Data sets that a file describes: what it may say, and what is told of everything else."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isorate.datasets.manifest import BUILT_IN, FILE_KEYS, DatasetManifest, ManifestFile, load_manifest
from isorate.datasets.names import image_names
from isorate.datasets.reading import read_manifest
from isorate.datasets.registry import open_dataset
from isorate.datasets.writing import manifest_of, with_checksums, write_manifest
from isorate.errors import DatasetError

from .conftest import SHA, sha256, written


def test_a_toml_manifest_says_all_there_is(classes: Path, tmp_path: Path) -> None:
    people = sha256(classes / "people" / "one.png").upper()
    manifest = written(
        tmp_path, "set.toml",
        'name = "mine"\ntitle = "Mine"\nlicence = "CC0"\ncitation = "Me, 2024"\nsource = "a drawer"\n'
        'folder = "classes"\n'
        f'[[file]]\npath = "people/one.png"\nsha256 = "{people}"\nclass = "faces"\n[[file]]\npath = "things/one.png"\n',
    )  # fmt: skip
    dataset = open_dataset(str(manifest), tmp_path / "cache")
    about = dataset.name, dataset.title, dataset.licence, dataset.citation, dataset.source
    assert about == ("mine", "Mine", "CC0", "Me, 2024", "a drawer")
    found = [(source.name, source.file_name, source.image_class, source.sha256) for source in dataset.sources]
    assert found == [
        ("people/one", "people/one.png", "faces", people.lower()),
        ("things/one", "things/one.png", "", ""),
    ]
    assert [source.load().pixels.shape for source in dataset.sources] == [(64, 80, 3), (70, 64, 3)]


def test_classes_may_be_the_folders_names(classes: Path, tmp_path: Path) -> None:
    text = 'class_by_folder = true\nfolder = "classes"\nlist = "files.csv"\n'
    written(tmp_path, "files.csv", "path,class\nthings/two.png,\npeople/one.png,faces\n")
    dataset = open_dataset(str(written(tmp_path, "set.toml", text)), None)
    assert [(source.name, source.image_class) for source in dataset.sources] == [("two", "things"), ("one", "faces")]


def test_a_csv_needs_its_paths_alone(classes: Path, tmp_path: Path) -> None:
    table = written(classes, "set.csv", f"\ufeffsha256,path\n,things/two.png\n{SHA},things/one.png\n")
    dataset = open_dataset(str(table), tmp_path)
    assert [(source.name, source.sha256) for source in dataset.sources] == [("two", ""), ("one", SHA)]
    assert dataset.name == "set"


def test_a_list_names_files_wherever_they_are(classes: Path, tmp_path: Path, two_photos: Path) -> None:
    (tmp_path / "lists").mkdir()
    text = f"# a remark\n\n../classes/things/one.png\n{two_photos / 'coffee.png'}\r\n  ../classes/people/one.png\n"
    dataset = open_dataset(str(written(tmp_path / "lists", "some.txt", text)), tmp_path)
    assert [source.name for source in dataset.sources] == ["classes/things/one", "coffee", "classes/people/one"]
    assert all(source.load().pixels.size for source in dataset.sources)


def test_a_file_with_another_checksum_is_refused_when_it_is_read(classes: Path, tmp_path: Path) -> None:
    table = written(classes, "set.csv", f"path,sha256\nthings/two.png,{SHA}\n")
    (source,) = open_dataset(str(table), tmp_path).sources
    with pytest.raises(DatasetError, match=r"two\.png: not the things/two\.png of the manifest .* expected 0123"):
        source.load()


def test_missing_files_are_counted_and_one_is_named(classes: Path, tmp_path: Path) -> None:
    table = written(classes, "set.csv", "path\nthings/two.png\nthings/three.png\nfour.png\n")
    with pytest.raises(DatasetError, match=r"set: 2 of 3 files missing in .*classes \(things/three\.png …\); put them"):
        open_dataset(str(table), tmp_path)


def test_what_bears_a_name_of_kodaks_must_be_kodaks(classes: Path, tmp_path: Path) -> None:
    (classes / "things" / "two.png").rename(classes / "kodim03.png")
    (source,) = open_dataset(str(written(classes, "set.txt", "kodim03.png")), tmp_path).sources
    with pytest.raises(DatasetError, match=r"not the kodim03\.png"):
        source.load()
    table = written(classes, "set.csv", f"path,sha256\nkodim03.png,{sha256(classes / 'kodim03.png')}\n")
    with pytest.raises(DatasetError, match="name of one of Kodak's files"):
        open_dataset(str(table), tmp_path)


WRONG_TOML = {
    "file = 1": ":1: file is 1; tables are needed",
    "[[file]]": ":1: file 1: path is missing",
    'titel = "x"\n[[file]]\npath = "a.png"': ":1: no key 'titel'; did you mean 'title'",
    '[[file]]\npath = "a.png"\nhash = "x"': ":3: no key 'hash' in",
    '[[file]]\npath = "a.png"\nsha256 = "xyz"': r":3: file 1: sha256 is 'xyz'; 64 hexadecimal digits",
    '[[file]]\npath = "a.png"\nsha256 = 7': ":3: file 1: sha256 is 7; a text in quotes",
    '[[file]]\npath = "/etc/a.png"': r":2: file 1: path is '/etc/a\.png'; a path inside",
    '[[file]]\npath = "b/../../a.png"': ":2: file 1: path is 'b/.*without '..'",
    '[[file]]\npath = "a.doc"': r":2: file 1: path is 'a\.doc'; it ends neither in \.tar nor",
    '[[file]]\npath = "a\\u0000.png"': ":2: file 1: path is .*control characters",
    '[[file]]\npath = "a.png"\n[[file]]\npath = "./a.png"': ":3: file 2: path 'a.png' is there twice",
    f'[[file]]\npath = "a.png"\nsha256 = "{SHA}"\nurl = "file:///etc/passwd"': ":4: file 1: url is 'file:.*https://",
    f'[[file]]\npath = "a.png"\nsha256 = "{SHA}"\nurl = "ftp://x/a.png"': ":4: file 1: url is 'ftp:",
    f'[[file]]\npath = "a.png"\nsha256 = "{SHA}"\nurl = "https://"': ":4: file 1: url is 'https://'",
    f'[[file]]\npath = "a.png"\nsha256 = "{SHA}"\nurl = "https://x:y/a"': ":4: file 1: url is",
    '[[file]]\npath = "a.png"\nurl = "https://x.org/a.png"': ":3: file 1: url is .*without a sha256",
    'mirrors = ["https://x.org/{file}"]\n[[file]]\npath = "a.png"': ":1: a.png has no sha256",
    f'mirrors = ["https://x.org/"]\n[[file]]\npath = "a.png"\nsha256 = "{SHA}"': ":1: mirrors has .*{file} must stand",
    f'mirrors = "x"\n[[file]]\npath = "a.png"\nsha256 = "{SHA}"': ":1: mirrors is 'x'; a list is needed",
    'title = ["x"]\n[[file]]\npath = "a.png"': ":1: title is .* a text in quotes",
    'class_by_folder = "yes"\n[[file]]\npath = "a.png"': ":1: class_by_folder is 'yes'; true or false",
    'list = "../x.csv"': ":1: list is '../x.csv'",
    'list = "/x.csv"': ":1: list is '/x.csv'",
    'list = "nothing.csv"': r"nothing\.csv: cannot be read",
    'list = "a.csv"\n[[file]]\npath = "a.png"': r"give either \[\[file\]\] tables, or list",
    'name = "kodak"\n[[file]]\npath = "a.png"': "name 'kodak' is that of a data set that comes with",
    "x = [": "no valid TOML",
    f'title = "{"x" * 1001}"\n[[file]]\npath = "a.png"': ":1: title has 1001 characters",
}


@pytest.mark.parametrize("text", WRONG_TOML)
def test_a_wrong_toml_is_told_with_its_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=WRONG_TOML[text]) as error:
        read_manifest(written(tmp_path, "wrong.toml", text))
    assert str(tmp_path) in str(error.value)
    assert len(str(error.value)) < len(str(tmp_path)) + 300


WRONG_CSV = {
    "": ":0: the first line is ''; it names columns: path, sha256, class, url",
    "file\na.png\n": ":1: the first line is 'file'",
    "path,path\na.png,b.png\n": ":1: the first line is",
    "path,class\na.png\n": ":2: has 1 cells, the first line 2",
    "path\n\n\nb.doc\n": r":4: path is 'b\.doc'",
    "path\na.png\nb.png\na.png\n": r":4: path 'a\.png' is there already, in line 2",
    "path\n": "no files",
    'path\n"a.png\n': "unexpected end of data",
    "path,sha256\na.png,0\n": ":2: sha256 is '0'",
    f"path,sha256,url\na.png,{SHA},javascript:alert(1)\n": ":2: url is 'javascript",
    "path\n" + "x" * 200_000: ":2: field larger",
}


@pytest.mark.parametrize("text", WRONG_CSV)
def test_a_wrong_csv_is_told_with_its_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=WRONG_CSV[text]) as error:
        read_manifest(written(tmp_path, "wrong.csv", text))
    assert str(tmp_path / "wrong.csv") in str(error.value)


@pytest.mark.parametrize(("text", "said"), [
    ("# nothing\n", "names no file"),
    ("a.png\nb.doc\n", r":2: path is 'b\.doc'"),
    ("a.png\nx/../a.png\n", r":2: 'x/\.\./a\.png' is there already, in line 1"),
])  # fmt: skip
def test_a_wrong_list_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=said):
        read_manifest(written(tmp_path, "wrong.txt", text))


@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.toml", "x.tar"])
def test_what_is_no_text_or_not_there_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=name):
        read_manifest(tmp_path / name)
    (tmp_path / name).write_bytes(b"\xff\xfe\0\0p\0a\0t\0h")
    with pytest.raises(DatasetError, match=name):
        open_dataset(str(tmp_path / name), None)


@pytest.mark.parametrize("name", ["kodak.csv", "Samples.txt", "kodak.tar"])
def test_no_file_takes_a_built_in_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="comes with isorate; rename the file"):
        read_manifest(written(tmp_path, name, "path\na.png\n"))


def test_an_archive_is_told_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "set.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DatasetError, match="unpack it"):
        open_dataset(str(tmp_path / "set.tar.gz"), None)


def test_the_built_in_manifests_are_of_the_same_format() -> None:
    assert {name: len(load_manifest(name).files) for name in BUILT_IN} == {"kodak": 24, "samples": 3}
    assert all(load_manifest("kodak").sha256.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([".toml", ".csv", ".txt"]))
def test_any_bytes_are_a_manifest_or_one_error(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(data)
    with contextlib.suppress(DatasetError):
        assert read_manifest(path).files


VALUES = st.one_of(
    st.text(max_size=30), st.sampled_from(["a.png", "b/a.tar", SHA, "https://x.org/a", "..", "/a.png", ""]),
    st.integers(), st.booleans(), st.none(), st.lists(st.text(max_size=3), max_size=2),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FILE_KEYS), VALUES))
def test_what_is_accepted_of_a_file_stays_inside_and_on_the_web(said: dict[str, object]) -> None:
    try:
        file = ManifestFile.of(said)
    except ValueError:
        return
    inside = Path("/data/set") / file.path
    assert ".." not in inside.parts
    assert inside.is_relative_to("/data/set")
    assert not file.url or (file.url.startswith(("http://", "https://")) and file.sha256)


PLAIN = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20).map(str.strip)
PATHS = st.text(st.sampled_from("ab,\"é 写\\'"), min_size=1, max_size=6).map(lambda text: f"x{text}x.png")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(PATHS, PLAIN, min_size=1, max_size=5), PLAIN, PLAIN, st.booleans(),
    st.sampled_from([(), ("https://x.org/{file}",)]),
)  # fmt: skip
def test_a_manifest_is_read_back_as_it_was_written(
    tmp_path: Path, files: dict[str, str], title: str, licence: str, by_folder: bool, mirrors: tuple[str, ...]
) -> None:
    found = tuple(ManifestFile(path, SHA, image_class, "https://x.org/a") for path, image_class in files.items())
    manifest = DatasetManifest(
        "mine", tmp_path / "pictures", found, title, licence, mirrors=mirrors, class_by_folder=by_folder
    )
    write_manifest(manifest, tmp_path / "set.toml")
    assert read_manifest(tmp_path / "set.toml") == manifest


def test_a_text_of_several_lines_is_refused_before_anything_is_written(classes: Path, tmp_path: Path) -> None:
    manifest = DatasetManifest("mine", classes, (ManifestFile("a.png"),), title="a\nb")
    with pytest.raises(DatasetError, match=r"x\.toml: title is 'a\\nb'; one line"):
        write_manifest(manifest, tmp_path / "x.toml")
    assert not (tmp_path / "x.toml").exists()


def test_a_folders_manifest_has_the_folders_in_it(classes: Path, tmp_path: Path) -> None:
    (classes / ".hidden").mkdir()
    (classes / ".hidden" / "no.png").write_bytes(b"")
    (classes / "notes.md").write_text("")
    manifest = with_checksums(manifest_of(classes))
    assert {file.path: file.sha256 for file in manifest.files} == {
        name: sha256(classes / name) for name in ("people/one.png", "things/one.png", "things/two.png")
    }
    write_manifest(manifest, tmp_path / "set.toml")
    assert 'folder = "classes"' in (tmp_path / "set.toml").read_text()
    assert len(open_dataset(str(tmp_path / "set.toml"), None).sources) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no image files there, nor in its folders"):
        manifest_of(tmp_path / "empty")


def test_a_file_named_twice_is_told(two_photos: Path) -> None:
    from isorate import api

    file = two_photos / "coffee.png"
    with pytest.raises(DatasetError, match=r"coffee\.png: is there twice"):
        api.run([file, file], anchor="jpeg", codecs=[])


def test_names_of_many_files_with_one_name_are_found() -> None:
    paths = [Path(f"{number:05}/{name}.png") for number in range(5000) for name in "ab"]
    assert image_names(paths)[:3] == ["00000/a", "00000/b", "00001/a"]
