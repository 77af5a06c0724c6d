"""The overfitted codec: a small decoder that travels in the file."""

from isorate.codecs.overfitted.codec import OverfittedCodec
from isorate.codecs.overfitted.shipped.codec import ShippedOverfitted

__all__ = ["OverfittedCodec", "ShippedOverfitted"]
