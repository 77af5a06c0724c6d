"""Lossy WebP through Pillow, as a class in the long form: options and their checks are its own."""

import io

import PIL
from PIL import Image as PillowImage
from PIL import features

from isorate.codecs.base import Codec, Image, Knob, Option
from isorate.codecs.pillow_decode import decode_with_pillow


class WebP(Codec):
    """WebP; the chroma is always 4:2:0."""

    name, label, suffix = "sample-webp", "WebP", ".swebp"

    def __init__(self, method: int = 6) -> None:
        self.method = method

    @property
    def knob(self) -> Knob:
        return Knob("quality", 0, 100, integer=True, rising=True, log=False, default=20)

    @property
    def backend(self) -> str:
        return f"libwebp {features.version('webp')} via Pillow {PIL.__version__}"

    @property
    def options(self) -> dict[str, Option]:
        return {"method": self.method, "chroma": "420"}

    def encode(self, image: Image, knob: float) -> bytes:
        out = io.BytesIO()
        PillowImage.fromarray(image).save(out, "WEBP", quality=int(knob), method=self.method)
        return out.getvalue()

    def decode(self, data: bytes) -> Image:
        return decode_with_pillow(data, "WEBP")
