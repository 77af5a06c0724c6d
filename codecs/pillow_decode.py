"""Decoding a stream by Pillow, with Pillow's many ways to fail turned into one."""

import io
import warnings

import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from isorate.errors import BitstreamError
from isorate.image import Image


def decode_with_pillow(data: bytes, file_format: str) -> Image:
    """Return the pixels of `data`, which must be a whole file of `file_format` (Pillow's name).

    Raises
    ------
    BitstreamError
        When it is damaged, truncated or another format.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
            with PillowImage.open(io.BytesIO(data), formats=[file_format]) as picture:
                return np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError:
        raise BitstreamError(f"not a {file_format} stream ({len(data)} bytes)") from None
    except (OSError, SyntaxError, ValueError, EOFError, PillowImage.DecompressionBombWarning,
            PillowImage.DecompressionBombError) as error:  # fmt: skip
        raise BitstreamError(f"damaged {file_format} stream ({len(data)} bytes): {error}") from None
