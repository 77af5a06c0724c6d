"""The overfitted codec: a small decoder that travels in the file."""

from isorate.codecs.overfitted.codec import OverfittedCodec

__all__ = ["OverfittedCodec"]
