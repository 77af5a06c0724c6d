"""Images that a script gives: by name as arrays or files, or a list of files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from isorate.datasets.base import Dataset, Source
from isorate.datasets.names import image_names
from isorate.errors import DatasetError, ImageError
from isorate.image import Image, array_problem, size_problem
from isorate.pictures.files import save_picture

NAME = "images"


def given(images: Mapping[str, Image | Path | str] | Sequence[Path | str], folder: Path) -> Dataset:
    """Return the data set of images that are at hand, in their order.

    Parameters
    ----------
    images
        Names, each with an array of shape ``(height, width, 3)``, dtype uint8, sRGB, or with a file; or files, which
        are then named by themselves.
    folder
        Where arrays are written, as PNG files: worker processes read them there.

    Raises
    ------
    DatasetError
        When there is none, or two names differ in case only.
    ImageError
        For an array of another form.
    """
    if isinstance(images, Mapping):
        named = dict(images)
    else:
        paths = [Path(image) for image in images]
        named = dict(zip(image_names(paths), paths, strict=True))
    if not named:
        raise DatasetError("no images: give at least one")
    folded: dict[str, str] = {}
    for name in named:
        if not isinstance(name, str) or not name:
            raise DatasetError(f"image {name!r}: a name is a text that is not empty")
        if (other := folded.setdefault(name.casefold(), name)) != name:
            raise DatasetError(f"images {other!r} and {name!r}: names of images become files; rename one")
    sources = [
        Source(name, Path(image) if isinstance(image, Path | str) else _written(name, image, folder / f"{at:05}.png"))
        for at, (name, image) in enumerate(named.items())
    ]
    return Dataset(NAME, tuple(sources))


def _written(name: str, image: Image, file: Path) -> Path:
    pixels = np.asarray(image)
    if problem := array_problem(pixels):
        advice = "from 0..1 it is made by (255 * image).round().astype('uint8')"
        raise ImageError(f"image {name!r}: {problem}; {advice}")
    if problem := size_problem(pixels.shape[1], pixels.shape[0]):
        raise ImageError(f"image {name!r}: {problem}")
    file.write_bytes(save_picture(np.ascontiguousarray(pixels), "PNG"))
    return file
