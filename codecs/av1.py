"""AV1 by libaom in FFmpeg, in AVIF files: 4:4:4 of 10 bits."""

from dataclasses import dataclass
from typing import Literal

from isorate.codecs.base import Knob
from isorate.codecs.video import avif, ffmpeg
from isorate.codecs.video.ffmpeg_codec import FfmpegCodec
from isorate.codecs.video.ycbcr import Chroma, to_planes
from isorate.errors import CodecError
from isorate.image import Image, size_problem

ENCODER = "libaom-av1"

# Rough guesses, where a search begins; a wrong one costs an encode or two.
TYPICAL_RATES = ((1, 9.0), (20, 1.25), (28, 0.72), (36, 0.38), (44, 0.2), (52, 0.1), (60, 0.045), (63, 0.03))


@dataclass(frozen=True)
class Av1(FfmpegCodec):
    """AV1 by libaom, the strongest AV1 here: a still picture tuned for PSNR.

    Parameters
    ----------
    cpu_used
        libaom's effort, 0 (slow) to 8. From 1 to 3 costs 0.1 dB.
    chroma
        ``444`` or ``420``.
    bit_depth
        Bits a coded sample, 8 or 10.
    """

    name = "av1"
    label = "AV1 (aom)"
    suffix = ".avif"
    encoder, decoder = ENCODER, avif.DECODER

    cpu_used: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8] = 1
    chroma: Chroma = "444"
    bit_depth: Literal[8, 10] = 10

    @property
    def knob(self) -> Knob:
        """The constant rate factor of libaom, whole numbers."""
        return Knob("crf", 1, 63, integer=True, rising=False, log=False, default=44, typical=TYPICAL_RATES)

    def encode(self, image: Image, knob: float) -> bytes:
        """Return an AVIF file."""
        height, width = image.shape[:2]
        if problem := size_problem(width, height):
            raise CodecError(f"av1: {problem}")
        words = ["-c:v", ENCODER, "-cpu-used", str(self.cpu_used), "-crf", f"{knob:.0f}", "-b:v", "0"]
        still = ["-still-picture", "1", "-aom-params", "tune=psnr", "-f", "avif"]
        planes = to_planes(image, self.bit_depth, self.chroma)
        pixel_format = avif.PIXEL_FORMATS[self.chroma, self.bit_depth]
        return ffmpeg.encode(self.name, planes, pixel_format, [*words, *still], self.suffix)

    def decode(self, data: bytes) -> Image:
        """Return the pixels by dav1d."""
        return avif.decode(data)

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes of the container."""
        return avif.header_bytes(data)
