"""What codecs have in common whose encoder is in FFmpeg and whose decoder is in PyAV."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from isorate.codecs.base import Codec
from isorate.codecs.video import ffmpeg
from isorate.codecs.video.pyav import load_av
from isorate.errors import CodecUnavailableError
from isorate.ffmpeg import find_ffmpeg


class FfmpegCodec(Codec):
    """A codec by an encoder that FFmpeg has, and a decoder that PyAV's wheel has."""

    encoder: ClassVar[str]
    decoder: ClassVar[str]
    """Their names there: ``libvvenc`` and ``vvc``."""

    @property
    def backend(self) -> str:
        """The versions of the encoder, of FFmpeg and of the decoder's wheel."""
        return f"{ffmpeg.version(self.name, self.encoder)}, PyAV {load_av(self.name, decoder=self.decoder).__version__}"

    @property
    def encoder_files(self) -> Sequence[Path]:
        """FFmpeg."""
        return (find_ffmpeg(self.name, CodecUnavailableError),)
