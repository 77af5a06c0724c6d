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
from isorate.files.plain import LARGEST_PICTURE, read_plain
from isorate.image import pixels_sha256
from isorate.pictures.colour import UNMANAGED, Colour, colour_of, to_srgb
from isorate.pictures.depth import largest_value, sample_bits, sample_problem
from isorate.pictures.files import FORMATS, cut_files_refused, is_transparent, open_picture
from isorate.pictures.whole import lack

LOSSY_FORMATS = {"JPEG", "MPO", "AVIF", "WEBP", "JPEG2000"}
LOSSY_COMPRESSION = {"jpeg", "tiff_jpeg", "webp"}
"""Of TIFF files."""
ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """A decoded image and what a reader must know of its origin.

    Attributes
    ----------
    pixels
        Shape ``(height, width, 3)``, dtype uint8, sRGB; cannot be written to.
    sha256
        SHA-256 of the pixels: see :func:`isorate.image.pixels_sha256`.
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


@dataclass(frozen=True, slots=True)
class Part:
    """A file that lies in another one, as in a tar: its name there, where it begins, and how many bytes it has."""

    name: str
    offset: int
    num_bytes: int


def load_image(path: Path, part: Part | None = None) -> LoadedImage:
    """Read `path`, or a part of it, as 8-bit RGB.

    Grey and palette pictures become RGB, an EXIF orientation is applied, a fully opaque alpha channel is dropped, and
    an ICC profile other than sRGB's is converted to sRGB; each is noted, and so is a colour description that is not
    applied. What would need a decision of the user's is refused: more than 8 bits a sample, HDR, transparency, CMYK,
    several frames.

    Raises
    ------
    ImageError
        When the file is missing, damaged, no image, one of those, or larger than
        :data:`isorate.image.MAX_PIXELS`.
    """
    where = f"{path}/{part.name}" if part else str(path)
    try:
        data = _read_part(path, part) if part else read_plain(path, LARGEST_PICTURE)
    except OSError as error:
        raise ImageError(f"{where}: cannot be read: {error.strerror or error}") from None
    return _decoded(data, where)


def _read_part(path: Path, part: Part) -> bytes:
    if part.num_bytes > LARGEST_PICTURE:
        raise OSError(f"has more than {LARGEST_PICTURE} bytes, the most that is read")
    with path.open("rb") as file:
        file.seek(part.offset)
        data = file.read(part.num_bytes)
    if len(data) < part.num_bytes:
        raise OSError("the file around it has become shorter")
    return data


def _decoded(data: bytes, where: str) -> LoadedImage:
    if (bits := sample_bits(data)) > 8:
        raise ImageError(
            f"{where}: more than 8 bits a sample ({bits}); the codecs compared here code 8: "
            "convert it to 8 bits by rounding, for example: magick IN -depth 8 OUT.png"
        )
    if problem := sample_problem(data):
        raise ImageError(f"{where}: {problem}; save the picture with unsigned samples of 8 bits, as PNG for example")
    notes: list[str] = []
    try:
        with warnings.catch_warnings(), cut_files_refused():
            warnings.simplefilter("ignore")
            picture = open_picture(data, FORMATS)
            if (frames := getattr(picture, "n_frames", 1)) > 1:
                raise ImageError(f"has {frames} frames; save the one that is meant")
            lossy = picture.format in LOSSY_FORMATS or picture.info.get("compression") in LOSSY_COMPRESSION
            colour = colour_of(data, picture)
            turned = picture.getexif().get(ORIENTATION, 1) in range(2, 9)
            picture.load()
            if lacking := lack(data, picture):
                raise ValueError(lacking)
            if turned:
                picture = ImageOps.exif_transpose(picture)  # of a TIFF, load() has done it
                notes.append("turned as its EXIF orientation says")
            if (white := largest_value(data)) not in (None, 255):
                notes.append(f"samples scaled from 0..{white} to 0..255")
            pixels = np.asarray(_srgb(_rgb(picture, notes), colour, notes))
    except ImageError as error:
        raise ImageError(f"{where}: {error}") from None
    except UnidentifiedImageError:
        raise ImageError(f"{where}: not an image of a format that is read here ({', '.join(FORMATS)})") from None
    except MemoryError:
        raise ImageError(f"{where}: does not fit into the memory; crop it") from None
    except Exception as error:  # Pillow's plugins fail in many ways on damaged files
        said = str(error) or type(error).__name__
        raise ImageError(f"{where}: damaged image: {said}; replace the file") from None
    return LoadedImage(pixels, pixels_sha256(pixels), hashlib.sha256(data).hexdigest(), lossy, tuple(notes))


def _rgb(picture: PillowImage.Image, notes: list[str]) -> PillowImage.Image:
    """Return the opaque picture in mode RGB, or L where it is grey."""
    mode = picture.mode
    if mode.startswith(("I", "F")):
        raise ImageError(f"more than 8 bits a sample (mode {mode}); convert it to 8 bits by rounding")
    if mode in ("CMYK", "YCCK", "LAB", "HSV"):
        raise ImageError(f"{mode} samples; convert the file to sRGB with its colour profile")
    if is_transparent(picture):
        raise ImageError("has transparent pixels; flatten it onto a background first")
    if picture.has_transparency_data:
        notes.append("opaque alpha channel dropped")
        mode = {"LA": "L", "La": "L"}.get(mode, mode)
    elif mode != "RGB":
        notes.append("grey to RGB" if mode in ("L", "1") else f"{mode} to RGB")
    return picture.convert("L" if mode in ("L", "1") else "RGB")


def _srgb(picture: PillowImage.Image, colour: Colour, notes: list[str]) -> PillowImage.Image:
    """Return the picture in mode RGB and in sRGB, as far as the file's description of its colours can be applied."""
    if colour.hdr:
        raise ImageError(f"HDR samples, {colour.name}; tone-map it to sRGB first")
    if colour.profile:
        notes.append(f"converted from {colour.name} to sRGB")
        return to_srgb(picture, colour.profile)
    if colour.name:
        notes.append(f"{UNMANAGED}: the file says {colour.name}, its samples are taken as sRGB")
    return picture.convert("RGB")
