"""The learned codec: a conditional autoencoder for every rate (Choi, El-Khamy & Lee, ICCV 2019)."""

from isorate.codecs.learned.codec import LearnedCodec

__all__ = ["LearnedCodec"]
