"""Names of images, made from the names of their files."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath, PurePosixPath

from isorate.errors import DatasetError
from isorate.pictures.names import readable

SUFFIXES = {".png", ".bmp", ".ppm", ".pgm", ".pnm", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".avif", ".gif"}
"""Of files that are taken for images."""
_ENDS = tuple(SUFFIXES)


def is_image_name(name: str) -> bool:
    """Whether a file of this name, without folders, is taken for an image; hidden ones (``._a.png``) are not."""
    return name.lower().endswith(_ENDS) and not name.startswith(".")


def image_names(paths: Sequence[PurePath]) -> list[str]:
    """Return a name for each file: no two are equal, not even where case does not count.

    A name is the file's without its suffix where that is enough, else with it (``photo.png`` and ``photo.bmp``), else
    with the folders in which the files differ (``a/photo.png`` and ``b/photo.png``), else with a digest of all that
    (``photo.png`` and ``Photo.png``). Names of images become names of files.

    Raises
    ------
    DatasetError
        When a file is there twice.
    """
    if twice := [str(path) for path, count in Counter(paths).items() if count > 1]:
        raise DatasetError(f"{readable(twice[0])}: is there twice; name each image once")
    plain = [readable(path.stem) for path in paths]
    if len(set(map(str.casefold, plain))) == len(plain):  # of a hundred thousand files nothing else is asked for
        return plain
    forms = [_forms(path, relative) for path, relative in zip(paths, _below_common(paths), strict=True)]
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


def _forms(path: PurePath, relative: str) -> list[str]:
    name = readable(path.name)
    short = path.stem, path.name, str(PurePosixPath(relative).with_suffix("")), relative
    return [*dict.fromkeys(map(readable, short)), f"{name}-{_digest(relative)}"]


def _below_common(paths: Sequence[PurePath]) -> list[str]:
    """Return each path from the deepest folder on that holds all of them."""
    try:
        common = os.path.commonpath({path.parent for path in paths})
    except ValueError:  # none, or absolute and relative ones
        return [path.as_posix() for path in paths]
    return [path.relative_to(common).as_posix() for path in paths]


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8]
