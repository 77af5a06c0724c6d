"""Any folder of images."""

import os
from pathlib import Path

from isorate.datasets.base import Dataset, Source
from isorate.datasets.manifest import load_manifest
from isorate.datasets.names import SUFFIXES, image_names, is_image_name
from isorate.errors import DatasetError


def folder(path: Path) -> Dataset:
    """Return the images directly inside `path`, ordered by name; hidden files (``.DS_Store``, ``._a.png``) are none.

    A file named like one of Kodak's must be Kodak's: its checksum is checked.

    Raises
    ------
    DatasetError
        When `path` is no folder, has no image, one that is no file, or a Kodak file that is not Kodak's.
    """
    if not path.is_dir():
        raise DatasetError(
            f"--data {path}: no such folder; give a folder or list of images, or what 'isorate datasets' lists"
        )
    with os.scandir(path) as found:
        names = [entry.name for entry in found if is_image_name(entry.name) and not _is_folder(entry)]
    paths = [path / name for name in sorted(names, key=os.path.normcase)]
    if not paths:
        raise DatasetError(f"--data {path}: no image files there ({', '.join(sorted(SUFFIXES))})")
    for image in paths:
        check_readable(image)
    kodak = load_manifest("kodak")
    known = set(kodak.sha256)
    for image in paths:
        if image.name in known:
            kodak.check(image)
    sources = tuple(map(Source, image_names(paths), paths))
    published = {image.name for image in paths} <= known
    return Dataset(
        "kodak" if published else path.resolve().name,
        sources,
        kodak.title if published else "",
        kodak.licence if published else "",
        kodak.citation if published else "",
    )


def check_readable(image: Path) -> None:
    """Raise where what is named like an image is none that can be read, as in a folder that was fetched in part.

    Without it the data set would be a smaller one, with means of its own.

    Raises
    ------
    DatasetError
        When it is a link that leads nowhere or in a circle, a pipe or a device.
    """
    if os.path.isfile(image):  # noqa: PTH113  (Path.is_file raises for a link to itself)
        return
    if image.is_symlink() and not os.path.exists(image):  # noqa: PTH110  (Path.exists raises for a link to itself)
        said = "is a link that leads to no file; fetch what it stands for (git annex get, dvc pull), or remove it"
    else:
        said = "is no plain file; remove it from the folder, or rename it"
    raise DatasetError(f"{image}: {said}")


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
