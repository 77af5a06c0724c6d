"""Opening and saving picture files by Pillow, under isorate's limits in place of Pillow's guesses."""

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageFile, PngImagePlugin

from isorate.errors import ImageError
from isorate.image import Image, size_problem

FORMATS = ("PNG", "BMP", "PPM", "TIFF", "WEBP", "JPEG", "AVIF", "GIF", "JPEG2000")
"""Pillow's names of the formats that pictures are read from; PPM stands for PBM and PGM, too."""

MAX_TEXT_CHUNK = 2**26
"""Bytes that a compressed chunk of a PNG, a colour profile among them, may unpack to; Pillow's own limit is 2^20."""

JPEG_BYTES_PER_PIXEL = (0, 4, 16)
"""Buffers that a JPEG is tried with: Pillow's guess, any photograph's, and more than a JPEG can take."""

_lock = threading.RLock()
"""Pillow's limits are variables of its modules."""


@contextmanager
def _limit(module: Any, name: str, value: Any) -> Iterator[None]:
    with _lock:
        before = getattr(module, name)
        setattr(module, name, value)
        try:
            yield
        finally:
            setattr(module, name, before)


def _buffer(size: int) -> AbstractContextManager[None]:
    return _limit(ImageFile, "MAXBLOCK", max(ImageFile.MAXBLOCK, size)) if size else nullcontext()


class _CutFiles:
    """How many threads want cut files refused, and what Pillow did with them before."""

    def __init__(self) -> None:
        self.inside, self.accepted = 0, False

    def refuse(self) -> None:
        with _lock:
            if not self.inside:
                self.accepted = ImageFile.LOAD_TRUNCATED_IMAGES
            self.inside += 1
            ImageFile.LOAD_TRUNCATED_IMAGES = False

    def leave(self) -> None:
        with _lock:
            self.inside -= 1
            if not self.inside:
                ImageFile.LOAD_TRUNCATED_IMAGES = self.accepted


_cut_files = _CutFiles()


@contextmanager
def cut_files_refused() -> Iterator[None]:
    """Have Pillow refuse files that are cut, whatever a package of anyone's asked of it: many do when imported.

    Where it is asked for what is there, the rest of a picture is black or grey, and nobody is told. Several threads may
    be in here: to decode under a lock would be one picture at a time.
    """
    _cut_files.refuse()
    try:
        yield
    finally:
        _cut_files.leave()


def open_picture(data: bytes, formats: Sequence[str]) -> PillowImage.Image:
    """Return the picture in a file's bytes, opened and not yet decoded; see :func:`cut_files_refused` for that.

    Parameters
    ----------
    data
        The whole file.
    formats
        Pillow's names of the formats that are accepted. Never all that Pillow knows: some start other programs.

    Raises
    ------
    ImageError
        When the picture exceeds :data:`isorate.image.MAX_PIXELS`.
    UnidentifiedImageError
        When the file is of none of the formats.
    """
    with _limit(PillowImage, "MAX_IMAGE_PIXELS", None), _limit(PngImagePlugin, "MAX_TEXT_CHUNK", MAX_TEXT_CHUNK):
        picture = PillowImage.open(io.BytesIO(data), formats=list(formats))
    if problem := size_problem(*picture.size):
        raise ImageError(problem)
    return picture


def is_transparent(picture: PillowImage.Image) -> bool:
    """Return whether a pixel is not opaque."""
    return picture.has_transparency_data and bool(np.asarray(picture.convert("RGBA").getchannel("A")).min() < 255)


def save_picture(image: Image, file_format: str, **options: Any) -> bytes:
    """Return `image` as a file of `file_format` (Pillow's name).

    libjpeg cannot wait while it writes optimized or progressive files: Pillow has to guess their size before.

    Raises
    ------
    OSError
        When Pillow cannot write it.
    """
    picture = PillowImage.fromarray(image)
    sizes = JPEG_BYTES_PER_PIXEL if file_format == "JPEG" else JPEG_BYTES_PER_PIXEL[:1]
    for per_pixel in sizes:
        out = io.BytesIO()
        try:
            with _buffer(per_pixel * picture.width * picture.height):
                picture.save(out, file_format, **options)
        except OSError:
            if per_pixel == sizes[-1]:
                raise
        else:
            break
    return out.getvalue()
