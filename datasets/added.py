"""Data sets that a user added: manifests in a folder of the user's, found by their names."""

import os
import re
from pathlib import Path

import platformdirs

from isorate.datasets.manifest import BUILT_IN, DatasetManifest, shown
from isorate.datasets.reading import read_toml
from isorate.datasets.writing import write_manifest
from isorate.errors import DatasetError

ENVIRONMENT = "ISORATE_DATASETS_DIR"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def added_dir() -> Path | None:
    """Return where added data sets are kept (``ISORATE_DATASETS_DIR``, else the user's), or None without a home."""
    if chosen := os.environ.get(ENVIRONMENT):
        return Path(chosen).absolute()
    try:
        folder = Path(platformdirs.user_data_dir("isorate", appauthor=False))
    except RuntimeError:  # as of the cache's
        return None
    return folder / "datasets" if folder.is_absolute() else None


def added_names() -> list[str]:
    """Return the names of the data sets that were added, in order."""
    folder = added_dir()
    there = sorted(folder.glob("*.toml")) if folder and folder.is_dir() else []
    return [file.stem for file in there if _NAME.fullmatch(file.stem) and file.stem.casefold() not in BUILT_IN]


def added(name: str) -> DatasetManifest:
    """Return the manifest that was added as `name`.

    Raises
    ------
    DatasetError
        When none was, or it is damaged.
    """
    return read_toml(_existing(name))


def is_added(name: str) -> bool:
    """Whether a data set was added as `name`."""
    file = _file(name)
    return file is not None and file.is_file()


def add(manifest: DatasetManifest, *, overwrite: bool = False) -> Path:
    """Keep a manifest under its name, and return where.

    Raises
    ------
    DatasetError
        When the name cannot be one, is taken, or there is no folder to keep it in.
    """
    file = check_free(manifest.name, overwrite=overwrite)
    write_manifest(manifest, file)
    return file


def check_free(name: str, *, overwrite: bool = False) -> Path:
    """Return the file of a manifest that may be kept as `name`; see :func:`add` for what it raises."""
    check_name(name)
    file = _file(name)
    if file is None:
        raise DatasetError(f"this user has no home for data sets; name a folder for them in {ENVIRONMENT}")
    there = {known.casefold(): known for known in added_names()}.get(name.casefold())
    if there is not None and (there != name or not overwrite):
        replaced = "--overwrite" if there == name else f"remove it: isorate datasets remove {there}"
        raise DatasetError(f"a data set was added as {there!r} already; give another name with --name, or {replaced}")
    return file


def remove(name: str) -> None:
    """Forget the data set that was added as `name`; its pictures stay.

    Raises
    ------
    DatasetError
        When there is none.
    """
    if name.casefold() in BUILT_IN:
        raise DatasetError(f"{name} comes with isorate and stays")
    file = _existing(name)
    try:
        file.unlink()
        file.with_suffix(".csv").unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"{file}: cannot be removed: {error.strerror or error}") from None


def check_name(name: str) -> None:
    """Raise unless a data set may be added as `name`.

    Raises
    ------
    DatasetError
        When it is a built-in one's, or has other characters than a name has.
    """
    if name.casefold() in BUILT_IN:
        raise DatasetError(f"{name!r} is a data set that comes with isorate; give another name with --name")
    if not _NAME.fullmatch(name):
        raise DatasetError(
            f"{shown(name)} is no name for a data set; up to 64 letters, digits, - and _ are: give one with --name"
        )


def _existing(name: str) -> Path:
    file = _file(name)
    if file is None or not file.is_file():
        raise DatasetError(f"no data set was added as {shown(name)}; there are: {', '.join(added_names()) or 'none'}")
    return file


def _file(name: str) -> Path | None:
    folder = added_dir()
    return folder / f"{name}.toml" if folder and _NAME.fullmatch(name) else None
