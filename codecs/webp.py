"""Lossy WebP by Pillow's libwebp (RFC 9649)."""

from dataclasses import dataclass, field
from typing import Literal

import PIL
from PIL import features

from isorate.codecs.base import Codec, Knob
from isorate.codecs.pillow_decode import decode_with_pillow
from isorate.errors import CodecError, CodecUnavailableError
from isorate.image import Image
from isorate.pictures.files import save_picture

MAX_SIDE = 16383

# Geometric mean over kodim05, 15, 19 and 23.
TYPICAL_RATES = (
    (0, 0.102), (5, 0.19), (10, 0.235), (20, 0.314), (40, 0.478), (60, 0.638), (80, 0.978), (90, 1.71), (100, 3.6),
)  # fmt: skip


@dataclass(frozen=True)
class WebP(Codec):
    """WebP of VP8's kind: 8 bits, 4:2:0, BT.601 of video range. The format has no other.

    Pillow passes quality and method on and nothing else: libwebp's spatial noise shaping and loop filter stay at their
    defaults.

    Parameters
    ----------
    method
        Effort, 0 to 6.
    """

    name = "webp"
    label = "WebP"
    suffix = ".webp"

    method: Literal[0, 1, 2, 3, 4, 5, 6] = 6
    chroma: str = field(default="420", init=False)
    bit_depth: int = field(default=8, init=False)

    @property
    def knob(self) -> Knob:
        """The quality of libwebp, 0 to 100; it takes fractions."""
        return Knob("quality", 0, 100, integer=False, rising=True, log=False, default=20, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """The version of libwebp in Pillow's wheel."""
        if not features.check("webp"):
            raise CodecUnavailableError(f"webp: Pillow {PIL.__version__} is built without WebP; pip install pillow")
        return f"libwebp {features.version('webp')} via Pillow {PIL.__version__}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a WebP file at quality `knob`."""
        height, width = image.shape[:2]
        if max(height, width) > MAX_SIDE:
            raise CodecError(f"webp: {width}×{height} is too large, a side may have {MAX_SIDE} pixels at most")
        try:
            return save_picture(image, "WEBP", quality=knob, method=self.method)
        except (OSError, ValueError) as error:
            raise CodecError(f"webp: libwebp failed at quality {knob:g} on {width}×{height} pixels: {error}") from None

    def decode(self, data: bytes) -> Image:
        """Return the pixels as libwebp decodes them (fancy upsampling)."""
        return decode_with_pillow(data, "WEBP")

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes before VP8's frame header: RIFF, WEBP and the chunk's own header."""
        at = data.find(b"VP8 ", 12)
        return at + 8 if at >= 0 else None
