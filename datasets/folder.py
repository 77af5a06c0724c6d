"""Any folder of images."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from isorate.datasets.base import Dataset, Source
from isorate.datasets.manifest import load_manifest
from isorate.errors import DatasetError
from isorate.pictures.names import readable

SUFFIXES = {".png", ".bmp", ".ppm", ".pgm", ".pnm", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".avif", ".gif"}


def folder(path: Path) -> Dataset:
    """Return the images directly inside `path`, ordered by name; hidden files (``.DS_Store``, ``._a.png``) are none.

    A file named like one of Kodak's must be Kodak's: its checksum is checked.

    Raises
    ------
    DatasetError
        When `path` is no folder, has no image, or has a Kodak file that is not Kodak's.
    """
    if not path.is_dir():
        raise DatasetError(f"--data {path}: no such folder; give a folder of images, or 'kodak', or 'samples'")
    paths = sorted(
        p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()
    )
    if not paths:
        raise DatasetError(f"--data {path}: no image files there ({', '.join(sorted(SUFFIXES))})")
    kodak = load_manifest("kodak")
    for image in paths:
        if image.name in kodak.sha256:
            kodak.check(image)
    sources = tuple(map(Source, image_names(paths), paths))
    published = {image.name for image in paths} <= set(kodak.sha256)
    return Dataset(
        "kodak" if published else path.resolve().name,
        sources,
        kodak.title if published else "",
        kodak.licence if published else "",
        kodak.citation if published else "",
    )


def image_names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each file of one folder: no two are equal, not even where case does not count.

    A name is the file's without its suffix where that is enough, else with it (``photo.png`` and ``photo.bmp``), else
    with a digest of it (``photo.png`` and ``Photo.png``). Names of images become names of files.
    """
    forms = [
        (readable(path.stem), readable(path.name), f"{readable(path.name)}-{_digest(path.name)}") for path in paths
    ]
    chosen = [0] * len(paths)
    while True:
        names = [form[index] for form, index in zip(forms, chosen, strict=True)]
        counts = Counter(map(str.casefold, names))
        taken = [i for i, name in enumerate(names) if counts[name.casefold()] > 1 and chosen[i] < len(forms[i]) - 1]
        if not taken:
            return names
        # those that can give way least far from a plain name do so first
        least = min(chosen[i] for i in taken)
        for i in taken:
            chosen[i] += chosen[i] == least


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8]
