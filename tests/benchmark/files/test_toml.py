import codecs
from pathlib import Path

import pytest

from isorate.errors import UsageError
from isorate.files.toml import TomlFile


@pytest.mark.parametrize("data", [
    b"anchor = 'jpeg'\nout = 'r'\n",
    codecs.BOM_UTF8 + b"anchor = 'jpeg'\nout = 'r'\n",
    b"anchor = 'jpeg'\r\nout = 'r'\r\n",
    b"anchor = 'jpeg'\rout = 'r'\r",
])  # fmt: skip
def test_every_editors_line_ends_and_mark_are_read(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "isorate.toml"
    file.write_bytes(data)
    read = TomlFile.read(file)
    assert read.data == {"anchor": "jpeg", "out": "r"}
    assert ":2: wrong" in str(read.error(("out",), "wrong"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("anchor = 'jpeg'".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("anchor = 'jpég'".encode("latin-1"), "is not UTF-8; save it as UTF-8"),
    ],
)
def test_another_encoding_is_named(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "isorate.toml"
    file.write_bytes(data)
    with pytest.raises(UsageError, match=said):
        TomlFile.read(file)


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        TomlFile.read(tmp_path)


@pytest.mark.parametrize("line", ["[" + " " * 100_000, "a" + " " * 100_000 + "b", "a . " * 30_000])
def test_a_long_line_is_read_once(line: str) -> None:
    """Tried in every way to divide its blanks, one of 2000 took seconds."""
    file = TomlFile(f"text = '''{line}'''\nrows = [\n{'[' + ' ' * 100_000}\n1]]\n[ table ]\n\"a b\" = 1\n", "f")
    assert str(file.error(("table", "a b"), "said")).startswith("f:6: ")
