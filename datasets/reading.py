"""Reading manifests: TOML, CSV, a list of paths, or a tar that stands for itself. A stranger's file is only data."""

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from isorate.datasets.manifest import (
    BUILT_IN,
    FILE_KEYS,
    TAR,
    DatasetManifest,
    ManifestFile,
    check_url,
    plain_text,
    shown,
)
from isorate.errors import DatasetError, UsageError
from isorate.files.plain import LARGEST_TEXT, read_plain
from isorate.files.toml import Place, TomlFile

TEXTS = ("title", "licence", "citation", "source")
KEYS = ("name", *TEXTS, "folder", "mirrors", "class_by_folder", "file", "list")
MANIFESTS = (".toml", ".csv", ".txt", TAR)
"""Endings of what describes a data set."""


def is_manifest(path: Path) -> bool:
    """Whether a file of this name describes a data set, and is no picture."""
    return path.suffix.lower() in MANIFESTS


def read_manifest(path: Path) -> DatasetManifest:
    """Return what the file `path` describes.

    Parameters
    ----------
    path
        A manifest as TOML; a CSV with the columns ``path``, ``sha256``, ``class`` and ``url``, of which the first must
        be there; a text file with a path in each line; or a tar of pictures.

    Raises
    ------
    DatasetError
        When it cannot be read or used; the message names the file, the line or key, the value and the remedy.
    """
    kind = path.suffix.lower()
    if kind == ".toml":
        return read_toml(path)
    _check_name(path, path.stem, "rename the file")
    if kind == ".csv":
        return DatasetManifest(path.stem, path.parent, _read_csv(path))
    if kind == ".txt":
        return _read_list(path)
    if kind == TAR:
        if not path.is_file():
            raise DatasetError(f"{path}: no such file; give a tar of pictures")
        return DatasetManifest(path.stem, path.parent, (ManifestFile(path.name),))
    raise DatasetError(f"{path}: is no manifest by its ending; there are: {', '.join(MANIFESTS)}")


def read_toml(path: Path, *, built_in: bool = False) -> DatasetManifest:
    """Return what a TOML manifest says; see :func:`read_manifest`. One that is built in may have its name."""
    try:
        file = TomlFile.read(path)
        return _Toml(file, path).manifest(built_in=built_in)
    except UsageError as error:
        raise DatasetError(str(error)) from None


class _Toml:
    """A TOML manifest, being read."""

    def __init__(self, file: TomlFile, path: Path) -> None:
        self.file, self.path, self.data = file, path, file.data

    def manifest(self, *, built_in: bool) -> DatasetManifest:
        self.file.check_keys(self.data, KEYS)
        name = self.text("name") or self.path.stem
        if not built_in:
            _check_name(self.path, name, 'give another: name = "…"')
        by_folder = self.data.get("class_by_folder", False)
        if not isinstance(by_folder, bool):
            raise self.error(("class_by_folder",), f"class_by_folder is {shown(by_folder)}; true or false is needed")
        return DatasetManifest(
            name, self.folder(), self.files(), **{key: self.text(key) for key in TEXTS}, mirrors=self.mirrors(),
            class_by_folder=by_folder,
        )  # fmt: skip

    def error(self, place: Place, said: str) -> UsageError:
        return self.file.error(place, said)

    def text(self, key: str) -> str:
        try:
            return plain_text(key, self.data.get(key, ""))
        except ValueError as error:
            raise self.error((key,), str(error)) from None

    def folder(self) -> Path:
        try:
            return self.path.parent / Path(self.text("folder")).expanduser()
        except RuntimeError:
            raise self.error(("folder",), "folder: there is no such home folder; write the path out") from None

    def mirrors(self) -> tuple[str, ...]:
        value = self.data.get("mirrors", [])
        if not isinstance(value, list):
            raise self.error(("mirrors",), f'mirrors is {shown(value)}; a list is needed: ["https://…/{{file}}"]')
        try:
            found = tuple(plain_text("mirrors", item) for item in value)
            for url in found:
                check_url("mirrors", url)
                if "{file}" not in url and "{number}" not in url:
                    raise ValueError(f"mirrors has {shown(url)}; {{file}} must stand where the file's path goes")
        except ValueError as error:
            raise self.error(("mirrors",), str(error)) from None
        return found

    def files(self) -> tuple[ManifestFile, ...]:
        if ("file" in self.data) == ("list" in self.data):
            raise self.error((), 'give either [[file]] tables, or list = "files.csv"')
        found = self.listed() if "list" in self.data else self.tables()
        if self.data.get("mirrors") and (without := [file for file in found if not file.sha256]):
            raise self.error(("mirrors",), f"{without[0].path} has no sha256; what is downloaded is checked: give it")
        return found

    def tables(self) -> tuple[ManifestFile, ...]:
        tables = self.data["file"]
        if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
            raise self.error(("file",), f"file is {shown(tables)}; tables are needed: [[file]]")
        found = []
        for index, table in enumerate(tables):
            place: Place = ("file", index)
            self.file.check_keys(table, FILE_KEYS, place)
            try:
                found.append(ManifestFile.of(table))
            except ValueError as error:
                key = str(error).partition(" ")[0]
                raise self.error((*place, key), f"file {index + 1}: {error}") from None
        if twice := _twice(found):
            raise self.error(("file", twice[1]), f"file {twice[1] + 1}: path {shown(twice[2])} is there twice")
        return tuple(found)

    def listed(self) -> tuple[ManifestFile, ...]:
        name = self.text("list")
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or path.suffix.lower() != ".csv":
            raise self.error(("list",), f"list is {shown(name)}; a .csv beside the manifest is needed, without '..'")
        return _read_csv(self.path.parent / path)


def _read_csv(path: Path) -> tuple[ManifestFile, ...]:
    reader = csv.reader(io.StringIO(_text_of(path), newline=""), strict=True)
    try:
        head = [key.strip() for key in next(reader, [])]
        unknown = [key for key in head if key not in FILE_KEYS]
        if "path" not in head or unknown or len(set(head)) < len(head):
            raise ValueError(f"the first line is {shown(','.join(head))}; it names columns: {', '.join(FILE_KEYS)}")
        found, lines = [], []
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(head):
                raise ValueError(f"has {len(cells)} cells, the first line {len(head)}; quote cells with commas in them")
            found.append(ManifestFile.of(dict(zip(head, cells, strict=True))))
            lines.append(reader.line_num)
        if not found:
            raise ValueError("no files; write a line for each")
    except (ValueError, csv.Error) as error:
        raise DatasetError(f"{path}:{reader.line_num}: {error}") from None
    if twice := _twice(found):
        first, second, name = twice
        raise DatasetError(f"{path}:{lines[second]}: path {shown(name)} is there already, in line {lines[first]}")
    return tuple(found)


def _read_list(path: Path) -> DatasetManifest:
    lines = _text_of(path).split("\n")
    named = [
        (number, text) for number, line in enumerate(lines, 1) if (text := line.strip()) and not text.startswith("#")
    ]
    if not named:
        raise DatasetError(f"{path}: names no file; write a path in each line")
    paths = [Path(os.path.abspath(path.parent / text)) for _, text in named]  # noqa: PTH100  (links stay as they are)
    folder = Path(os.path.commonpath([file.parent for file in paths]))
    found = []
    for (number, _), file in zip(named, paths, strict=True):
        try:
            found.append(ManifestFile.of({"path": file.relative_to(folder).as_posix()}))
        except ValueError as error:
            raise DatasetError(f"{path}:{number}: {error}") from None
    if twice := _twice(found):
        first, second = (named[index][0] for index in twice[:2])
        raise DatasetError(f"{path}:{second}: {shown(named[twice[1]][1])} is there already, in line {first}")
    return DatasetManifest(path.stem, folder, tuple(found))


def _twice(found: Iterable[ManifestFile]) -> tuple[int, int, str] | None:
    """Return where a path is for the first and the second time, and what it is."""
    seen: dict[str, int] = {}
    for index, file in enumerate(found):
        if (first := seen.setdefault(file.path, index)) != index:
            return first, index, file.path
    return None


def _text_of(path: Path) -> str:
    try:
        return read_plain(path, LARGEST_TEXT).decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not UTF-8; save it as UTF-8 text") from None


def _check_name(path: Path, name: str, remedy: str) -> None:
    if name.casefold() in BUILT_IN:
        raise DatasetError(f"{path}: name {name!r} is that of a data set that comes with isorate; {remedy}")
