"""From an image file to 8-bit RGB samples, with every conversion that changes the picture refused or told."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from isorate.errors import ImageError

LOSSY_FORMATS = {"JPEG", "MPO", "AVIF", "HEIF", "WEBP", "JPEG2000"}
DEEP_MODES = ("I", "F")
MAX_PIXELS = 2**28
"""Larger pictures are refused: 268 megapixels take more than 4 GB in a metric."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """A decoded image and what a reader must know of its origin.

    Attributes
    ----------
    pixels
        Shape ``(height, width, 3)``, dtype uint8, sRGB.
    sha256
        SHA-256 of the pixels: see :func:`pixels_sha256`.
    file_sha256
        SHA-256 of the file.
    lossy
        Whether the file's format is one that usually loses information.
    notes
        Conversions that were made: ``grey to RGB``, ``turned as EXIF says``.
    """

    pixels: NDArray[np.uint8]
    sha256: str
    file_sha256: str
    lossy: bool
    notes: tuple[str, ...] = ()


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of the shape and the samples: equal for equal pictures, whatever file they came in."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def load_image(path: Path) -> LoadedImage:
    """Read `path` as 8-bit RGB.

    Grey and palette pictures become RGB, an EXIF orientation is applied, a fully opaque alpha channel is dropped;
    each is noted. What would need a decision of the user's is refused: 16-bit samples, transparency, CMYK.

    Raises
    ------
    ImageError
        When the file is missing, damaged, no image, or one of those.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from None
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PillowImage.DecompressionBombWarning)
            picture, lossy = _open(path)
            if (
                ImageOps.exif_transpose(picture, in_place=False) is not picture
                and picture.getexif().get(0x0112, 1) != 1
            ):
                picture = ImageOps.exif_transpose(picture)
                notes.append("turned as its EXIF orientation says")
            pixels = _rgb(path, picture, notes)
    except (OSError, SyntaxError, ValueError, EOFError, PillowImage.DecompressionBombError) as error:
        raise ImageError(f"{path}: damaged image: {error}; replace the file") from None
    return LoadedImage(pixels, pixels_sha256(pixels), hashlib.sha256(data).hexdigest(), lossy, tuple(notes))


def _open(path: Path) -> tuple[PillowImage.Image, bool]:
    try:
        picture = PillowImage.open(path)
    except UnidentifiedImageError:
        raise ImageError(f"{path}: not an image that Pillow knows; give 8-bit RGB PNG files") from None
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageError(f"{path}: {picture.width}×{picture.height} is more than {MAX_PIXELS} pixels; crop it")
    if getattr(picture, "n_frames", 1) > 1:
        raise ImageError(f"{path}: has {picture.n_frames} frames; save the one that is meant")  # type: ignore[attr-defined]
    lossy = picture.format in LOSSY_FORMATS
    with picture:
        picture.load()
    return picture, lossy


def _rgb(path: Path, picture: PillowImage.Image, notes: list[str]) -> NDArray[np.uint8]:
    mode = picture.mode
    if mode.startswith(DEEP_MODES):
        raise ImageError(
            f"{path}: more than 8 bits a sample (mode {mode}); convert it to 8 bits, the codecs compared here code 8"
        )
    if mode in ("CMYK", "YCCK", "LAB", "HSV"):
        raise ImageError(f"{path}: {mode} samples; convert the file to sRGB with its colour profile")
    if picture.has_transparency_data:
        rgba = np.asarray(picture.convert("RGBA"))
        if rgba[..., 3].min() < 255:
            raise ImageError(f"{path}: has transparent pixels; flatten it onto a background first")
        notes.append("opaque alpha channel dropped")
        return np.ascontiguousarray(rgba[..., :3])
    if mode != "RGB":
        notes.append("grey to RGB" if mode in ("L", "1") else f"{mode} to RGB")
    return np.asarray(picture.convert("RGB"))
