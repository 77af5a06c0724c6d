"""From what ``--data`` says to a data set."""

import difflib
from pathlib import Path

from isorate.datasets.added import added, added_names, is_added
from isorate.datasets.base import Dataset
from isorate.datasets.described import described
from isorate.datasets.folder import folder
from isorate.datasets.kodak import kodak
from isorate.datasets.manifest import BUILT_IN, DatasetManifest
from isorate.datasets.reading import is_manifest, read_manifest
from isorate.datasets.samples import samples
from isorate.errors import DatasetError

COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip", ".7z")
"""Endings of archives that are told to be unpacked."""


def names() -> list[str]:
    """Return the names that :func:`open_dataset` knows: built-in data sets, and those that this user added."""
    return [*BUILT_IN, *added_names()]


def is_name(data: str) -> bool:
    """Whether `data` is one of :func:`names`."""
    return data in BUILT_IN or is_added(data)


def open_dataset(data: str, cache: Path | None) -> Dataset:
    """Return the data set `data`.

    Parameters
    ----------
    data
        ``kodak``, ``samples``, a name that was added, a folder, or a manifest: ``.toml``, ``.csv``, ``.txt``, ``.tar``.
        A folder of one of the names is written as a path: ``./kodak``.
    cache
        Where downloads go; None for a user without a home.

    Raises
    ------
    DatasetError
        When it is not there, incomplete, or not what its manifest describes.
    """
    if data == "kodak":
        return kodak(cache)
    if data == "samples":
        return samples()
    path = Path(data)
    if (manifest := manifest_for(data)) is not None:
        return described(manifest, cache and cache / "datasets")
    if path.suffix.lower() in COMPRESSED and path.is_file():
        raise DatasetError(f"--data {path}: an archive that is not read here; unpack it, or make it a plain .tar")
    if not path.exists() and path.parent == Path() and (near := difflib.get_close_matches(data, names(), 1)):
        raise DatasetError(f"--data {data}: no such data set or folder; did you mean {near[0]!r}?")
    return folder(path)


def manifest_for(data: str) -> DatasetManifest | None:
    """Return the manifest that was added as `data` or is the file `data`; None where it is neither.

    Raises
    ------
    DatasetError
        When it cannot be read or used.
    """
    path = Path(data)
    if is_added(data):
        return added(data)
    return read_manifest(path) if is_manifest(path) and not path.is_dir() else None


def is_picture_file(data: str) -> bool:
    """Whether `data` is a file that is taken for one picture: no name, no manifest and no archive."""
    path = Path(data)
    return not is_name(data) and path.is_file() and not is_manifest(path) and path.suffix.lower() not in COMPRESSED
