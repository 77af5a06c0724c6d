"""CompressAI's models as codecs."""

from isorate.codecs.compressai.codec import CompressAI

__all__ = ["CompressAI"]
