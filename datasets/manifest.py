"""Manifests: the files of a data set with their checksums, classes and addresses, and what its publisher says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from isorate.datasets.hashing import file_sha256
from isorate.datasets.names import SUFFIXES, is_image_name
from isorate.errors import DatasetError
from isorate.pictures.names import readable

BUILT_IN = ("kodak", "samples")
"""Manifests that come with isorate; no other data set has one of these names."""
TAR = ".tar"
FILE_KEYS = ("path", "sha256", "class", "url")
"""What a manifest says of a file: keys of TOML, columns of CSV."""
LONGEST = 1000
"""Characters of one text of a manifest."""
SHOWN = 60
"""Characters of a refused value that a message shows."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A picture of a data set, or a tar of pictures.

    Attributes
    ----------
    path
        Where it lies in the data set's folder, with forward slashes; it cannot lead out of it.
    sha256
        SHA-256 of the file; empty where the manifest does not say.
    image_class
        The class of the picture, or of all in the tar; empty for none.
    url
        Where it can be downloaded, ``http`` or ``https``; empty for the manifest's mirrors, if any.
    """

    path: str
    sha256: str = ""
    image_class: str = ""
    url: str = ""

    @property
    def is_tar(self) -> bool:
        """Whether it is a tar of pictures."""
        return self.path.lower().endswith(TAR)

    @classmethod
    def of(cls, said: Mapping[str, object]) -> "ManifestFile":
        """Return the file that a manifest describes by :data:`FILE_KEYS`.

        Raises
        ------
        ValueError
            When a value cannot be used; the text names key, value and remedy, and not the file.
        """
        if not said.get("path"):
            raise ValueError("path is missing; name the file, relative to the data set's folder")
        path = _path(plain_text("path", said["path"]))
        sha256 = plain_text("sha256", said.get("sha256", "")).lower()
        if sha256 and not _SHA256.fullmatch(sha256):
            raise ValueError(
                f"sha256 is {shown(sha256)}; 64 hexadecimal digits are needed (sha256sum FILE prints them)"
            )
        url = plain_text("url", said.get("url", ""))
        if url:
            check_url("url", url)
            if not sha256:
                raise ValueError(f"url is {shown(url)}, without a sha256; what is downloaded is checked: give it")
        return cls(path, sha256, plain_text("class", said.get("class", "")), url)


def _path(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"path is {shown(text)}; a path inside the data set's folder is needed, without '..'")
    if not (is_image_name(path.name) or path.suffix.lower() == TAR):
        raise ValueError(
            f"path is {shown(text)}; it ends neither in {TAR} nor as a picture that is read here "
            f"({', '.join(sorted(SUFFIXES))})"
        )
    return path.as_posix()


def plain_text(key: str, value: object) -> str:
    """Return a text of a manifest that is one line of ordinary characters.

    Raises
    ------
    ValueError
        When it is another thing.
    """
    if not isinstance(value, str):
        raise ValueError(f"{key} is {shown(value)}; a text in quotes is needed")
    if len(value) > LONGEST:
        raise ValueError(f"{key} has {len(value)} characters; {LONGEST} is the most")
    if _CONTROL.search(value):
        raise ValueError(f"{key} is {shown(value)}; one line without control characters is needed")
    return value.strip()


def check_url(key: str, url: str) -> None:
    """Raise unless `url` is an address of the web.

    Raises
    ------
    ValueError
        When it is none, or of another scheme.
    """
    try:
        parts = urlsplit(url)
        there = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # which raises where it is no number
    except ValueError:
        there = False
    if not there or re.search(r"\s", url):
        raise ValueError(f"{key} is {shown(url)}; an address that begins with https:// or http:// is needed")


def shown(value: object) -> str:
    """Return a refused value as a message shows it."""
    text = readable(repr(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


@dataclass(frozen=True, slots=True)
class DatasetManifest:
    """What is said of a data set.

    Attributes
    ----------
    name
        The manifest's, by default its file's.
    folder
        Where the files lie that are on this machine.
    files
        In order; at least one, no path twice.
    title, licence, citation, source
        For a reader; empty where nothing is said.
    mirrors
        Addresses with ``{file}`` or ``{number}``, in the order of trying, for files without one of their own.
    class_by_folder
        Whether a picture without a class has that of the folder it lies in.
    """

    name: str
    folder: Path
    files: tuple[ManifestFile, ...]
    title: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""
    mirrors: tuple[str, ...] = ()
    class_by_folder: bool = False

    @property
    def sha256(self) -> dict[str, str]:
        """The files' paths with their SHA-256."""
        return {file.path: file.sha256 for file in self.files}

    def class_of(self, file: ManifestFile, path: str) -> str:
        """Return the class of the picture at `path`, which is `file` or lies in it; empty for none."""
        return file.image_class or (readable(PurePosixPath(path).parent.name) if self.class_by_folder else "")

    def check(self, path: Path) -> None:
        """Raise unless `path` is the published file of its name.

        Raises
        ------
        DatasetError
            When it cannot be read, or its checksum is another.
        """
        found, expected = file_sha256(path), self.sha256[path.name]
        if found != expected:
            raise DatasetError(
                f"{path}: not the published {path.name} of {self.title} (SHA-256 {found[:12]}…, expected "
                f"{expected[:12]}…); replace it, or rename it if another picture is meant"
            )


def load_manifest(name: str) -> DatasetManifest:
    """Return the manifest `name` of :data:`BUILT_IN`."""
    from isorate.datasets.reading import read_toml

    with as_file(files("isorate.datasets").joinpath(f"{name}.toml")) as path:
        return read_toml(path, built_in=True)
