"""Any folder of images."""

from collections import Counter
from pathlib import Path

from isorate.datasets.base import Dataset, Source
from isorate.datasets.manifest import load_manifest
from isorate.errors import DatasetError

SUFFIXES = {".png", ".bmp", ".ppm", ".pgm", ".pnm", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".avif", ".gif"}


def folder(path: Path) -> Dataset:
    """Return the images directly inside `path`, ordered by name.

    A file named like one of Kodak's must be Kodak's: its checksum is checked.

    Raises
    ------
    DatasetError
        When `path` is no folder, has no image, or has a Kodak file that is not Kodak's.
    """
    if not path.is_dir():
        raise DatasetError(f"--data {path}: no such folder; give a folder of images, or 'kodak', or 'samples'")
    paths = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise DatasetError(f"--data {path}: no image files there ({', '.join(sorted(SUFFIXES))})")
    kodak = load_manifest("kodak")
    for image in paths:
        if image.name in kodak.sha256:
            kodak.check(image)
    stems = Counter(image.stem for image in paths)
    sources = tuple(Source(image.stem if stems[image.stem] == 1 else image.name, image) for image in paths)
    published = {image.name for image in paths} <= set(kodak.sha256)
    return Dataset(
        "kodak" if published else path.resolve().name,
        sources,
        kodak.title if published else "",
        kodak.licence if published else "",
        kodak.citation if published else "",
    )
