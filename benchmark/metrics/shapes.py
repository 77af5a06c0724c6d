"""What every metric asks of its two images."""

from isorate.errors import ImageError
from isorate.image import Image


def same_shape(reference: Image, decoded: Image) -> None:
    """Raise :class:`~isorate.errors.ImageError` unless the two shapes are equal."""
    if reference.shape != decoded.shape:
        raise ImageError(f"decoded image of shape {decoded.shape} against a source of shape {reference.shape}")
