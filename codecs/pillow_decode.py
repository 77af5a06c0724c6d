"""Decoding a stream by Pillow, with Pillow's many ways to fail turned into one."""

import warnings

import numpy as np
from PIL import UnidentifiedImageError

from isorate.errors import BitstreamError, ImageError
from isorate.image import Image
from isorate.pictures.colour import colour_of
from isorate.pictures.depth import largest_value, sample_bits, sample_problem
from isorate.pictures.files import cut_files_refused, is_transparent, open_picture
from isorate.pictures.whole import lack


def decode_with_pillow(data: bytes, file_format: str) -> Image:
    """Return the pixels of `data`, which must be a whole file of `file_format` (Pillow's name).

    Nothing is converted but grey and palettes to RGB: what a codec gives back is compared as it is.

    Raises
    ------
    BitstreamError
        When it is damaged, truncated or another format; when it is no opaque picture of 8 bits a sample in sRGB, or
        larger than :data:`isorate.image.MAX_PIXELS`.
    """
    if (bits := sample_bits(data)) > 8:
        raise BitstreamError(f"{file_format} stream of {bits} bits a sample; 8 are compared: have it written so")
    if problem := sample_problem(data):
        raise BitstreamError(f"{file_format} stream of {problem}; unsigned 8 bits are compared: have it written so")
    if (white := largest_value(data)) not in (None, 255):
        raise BitstreamError(f"{file_format} stream with white at {white}; 255 is compared: have it written so")
    try:
        with warnings.catch_warnings(), cut_files_refused():
            warnings.simplefilter("ignore")
            with open_picture(data, [file_format]) as picture:
                if (frames := getattr(picture, "n_frames", 1)) > 1:
                    raise ImageError(f"{frames} frames; one is compared")
                if colour := colour_of(data, picture).name:
                    raise ImageError(f"its colours are not sRGB: {colour}")
                if picture.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "RGBX"):
                    raise ImageError(f"{picture.mode} samples, not RGB")
                picture.load()
                if lacking := lack(data, picture, again=False):  # decoding is timed, and once is its price
                    raise ValueError(lacking)
                if is_transparent(picture):
                    raise ImageError("transparent pixels")
                return np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError:
        raise BitstreamError(f"not a {file_format} stream ({len(data)} bytes)") from None
    except ImageError as error:
        raise BitstreamError(f"{file_format} stream: {error}") from None
    except MemoryError:
        raise BitstreamError(f"{file_format} stream ({len(data)} bytes): its picture needs more memory") from None
    except Exception as error:  # Pillow's plugins fail in many ways on damaged files
        said = str(error) or type(error).__name__
        raise BitstreamError(f"damaged {file_format} stream ({len(data)} bytes): {said}") from None
