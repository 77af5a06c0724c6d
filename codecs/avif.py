"""AVIF by Pillow's libavif and libaom: AV1 still pictures of 8 bits."""

from dataclasses import dataclass, field
from typing import Literal

import PIL
from PIL import features

from isorate.codecs.base import Codec, Knob
from isorate.codecs.pillow_decode import decode_with_pillow
from isorate.errors import CodecError, CodecUnavailableError
from isorate.image import Image, size_problem
from isorate.pictures.boxes import boxes
from isorate.pictures.files import save_picture

MAX_SIDE = 32768
"""The decoder's; the encoder would write twice as many."""

# Geometric mean over kodim05, 15, 19 and 23.
TYPICAL_RATES = (
    (0, 0.042), (10, 0.104), (20, 0.18), (30, 0.274), (40, 0.412), (50, 0.614), (60, 0.926),
    (70, 1.21), (80, 1.62), (90, 2.93), (100, 8.45),
)  # fmt: skip


@dataclass(frozen=True)
class Avif(Codec):
    """AVIF as Pillow's users can write it: aom, full-range BT.601.

    Parameters
    ----------
    chroma
        ``444`` (better from about 0.2 bpp on), ``422`` or ``420``, which is Pillow's default.
    speed
        libaom's, 0 (slow) to 10. Pillow's default is 6.
    tune
        What libaom optimizes: ``psnr``, ``ssim``, or ``iq``, which libavif takes for still pictures by itself.
    """

    name = "avif"
    label = "AVIF"
    suffix = ".avif"

    chroma: Literal["444", "422", "420"] = "444"
    speed: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10] = 3
    tune: Literal["psnr", "ssim", "iq"] = "psnr"
    bit_depth: int = field(default=8, init=False)

    @property
    def knob(self) -> Knob:
        """The quality of libavif, 0 to 100 in whole numbers; several give the same file."""
        return Knob("quality", 0, 100, integer=True, rising=True, log=False, default=28, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """The versions of libavif and libaom in Pillow's wheel."""
        if not features.check("avif"):
            raise CodecUnavailableError(f"avif: Pillow {PIL.__version__} is built without AVIF; pip install pillow")
        from PIL import _avif  # the only place that says which coders the wheel has

        aom = next((part for part in _avif.codec_versions().split(", ") if part.startswith("aom")), "")
        if not aom:
            raise CodecUnavailableError(f"avif: Pillow {PIL.__version__} has no libaom; pip install pillow")
        return f"libavif {features.version('avif')} with {aom} via Pillow {PIL.__version__}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return an AVIF file at quality `knob`, on one thread and in one tile."""
        height, width = image.shape[:2]
        if problem := size_problem(width, height):
            raise CodecError(f"avif: {problem}")
        if max(height, width) > MAX_SIDE:
            raise CodecError(f"avif: {width}×{height} is too large, a side may have {MAX_SIDE} pixels at most")
        subsampling = {"444": "4:4:4", "422": "4:2:2", "420": "4:2:0"}[self.chroma]
        try:
            return save_picture(
                image, "AVIF", quality=int(knob), subsampling=subsampling, speed=self.speed, codec="aom",
                range="full", max_threads=1, autotiling=False, advanced={"tune": self.tune},
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise CodecError(f"avif: libaom failed at quality {knob:g} on {width}×{height} pixels: {error}") from None

    def decode(self, data: bytes) -> Image:
        """Return the pixels as libavif converts what its AV1 decoder gives."""
        return decode_with_pillow(data, "AVIF")

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes of the container: everything but the content of ``mdat``."""
        found = [end - start for kind, start, end in boxes(data) if kind == b"mdat"]
        return len(data) - sum(found) if found else None
