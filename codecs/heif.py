"""HEIC by libheif and x265 through pillow-heif: HEVC intra pictures in HEIF files."""

import io
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

import numpy as np
from PIL import Image as PillowImage

from isorate.codecs.base import Codec, Knob
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError
from isorate.image import Image, size_problem
from isorate.pictures.boxes import boxes

CODE_POINTS = {"color_primaries": 1, "transfer_characteristics": 13, "matrix_coefficients": 6, "full_range_flag": 1}
"""sRGB in full-range BT.601 (ITU-T H.273), as a file's ``nclx`` profile says it."""

# Geometric mean over kodim05, 15, 19 and 23.
TYPICAL_RATES = (
    (0, 7.43), (10, 4.53), (20, 1.92), (26, 1.07), (32, 0.563), (38, 0.26), (44, 0.111), (50, 0.0507),
)  # fmt: skip


@dataclass(frozen=True)
class Heif(Codec):
    """HEIC: x265's intra pictures in libheif's container, 8 bits of full-range BT.601.

    It is BPG's coder with other settings and a larger header; its files are no BPG and stay below it.

    Parameters
    ----------
    chroma
        ``444``, ``422`` or ``420``, which is what telephones write.
    tune
        What x265 optimizes: ``psnr``, or ``ssim``, which is libheif's default and loses 0.25 dB.
    preset
        x265's effort.
    """

    name = "heif"
    label = "HEIC"
    suffix = ".heic"

    chroma: Literal["444", "422", "420"] = "444"
    tune: Literal["psnr", "ssim", "grain"] = "psnr"
    preset: Literal["ultrafast", "veryfast", "fast", "medium", "slow", "slower", "veryslow", "placebo"] = "slow"
    bit_depth: int = field(default=8, init=False)

    @property
    def knob(self) -> Knob:
        """The constant rate factor of x265, 0 to 50: libheif's quality is 100 less twice as much."""
        return Knob("crf", 0, 50, integer=True, rising=False, log=False, default=36, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """The versions of libheif, x265 and pillow-heif."""
        heif = _load()
        about = heif.libheif_info()
        if "x265" not in about["encoders"]:
            raise CodecUnavailableError(f"heif: pillow-heif {heif.__version__} is built without x265")
        encoder = about["encoders"]["x265"].replace(" HEVC encoder", "").replace("(", "").replace(")", "")
        decoder = ", ".join(sorted(about["decoders"]))
        return f"libheif {about['libheif']} with {encoder}, {decoder} via pillow-heif {heif.__version__}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a HEIC file."""
        height, width = image.shape[:2]
        if problem := size_problem(width, height):
            raise CodecError(f"heif: {problem}")
        heif, out = _load(), io.BytesIO()
        try:
            heif.from_pillow(PillowImage.fromarray(image)).save(
                out, quality=100 - 2 * int(knob), chroma=int(self.chroma),
                enc_params={"tune": self.tune, "preset": self.preset}, tile_size=0,
                **{key.replace("istics", "istic"): value for key, value in CODE_POINTS.items()},
            )  # fmt: skip
        except (OSError, ValueError, RuntimeError) as error:
            raise CodecError(f"heif: libheif failed at crf {knob:g} on {width}×{height} pixels: {error}") from None
        return out.getvalue()

    def decode(self, data: bytes) -> Image:
        """Return the pixels as libde265 and libheif decode them; size and depth are checked before."""
        if data[4:8] != b"ftyp":
            raise BitstreamError(f"not a HEIF file ({len(data)} bytes)")
        heif = _load()
        try:
            found = heif.open_heif(data, convert_hdr_to_8bit=False)
            _check(found)
            if problem := size_problem(*found.size):
                raise BitstreamError(f"HEIF file: {problem}")
            pixels = np.array(found, np.uint8)
        except (OSError, ValueError, RuntimeError, SyntaxError, EOFError, MemoryError) as error:
            raise BitstreamError(f"damaged HEIF file ({len(data)} bytes): {error}") from None
        if pixels.shape != (*found.size[::-1], 3):
            raise BitstreamError(f"HEIF file of shape {pixels.shape}: not 8-bit RGB")
        return pixels

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes of the container: everything but the content of ``mdat``, parameter sets included."""
        found = [end - start for kind, start, end in boxes(data) if kind == b"mdat"]
        return len(data) - sum(found) if found else None


def _check(found: Any) -> None:
    """Refuse an opened file that is no single opaque picture of 8 bits in the colours that are written here."""
    if len(found) != 1:
        raise BitstreamError(f"HEIF file with {len(found)} pictures; one is decoded")
    if found.mode != "RGB" or found.info.get("bit_depth") != 8:
        raise BitstreamError(f"HEIF picture of {found.mode}, {found.info.get('bit_depth')} bits: not 8-bit RGB")
    said = found.info.get("nclx_profile", {})
    if found.info.get("icc_profile") or any(said.get(key) != value for key, value in CODE_POINTS.items()):
        raise BitstreamError(f"HEIF file whose colours are not sRGB in full-range BT.601: {said}")


def _load() -> ModuleType:
    try:
        import pillow_heif

        pillow_heif.libheif_info()
    except Exception as error:  # pillow-heif defers a failed import of its library
        raise CodecUnavailableError(f"heif: {error}; pip install 'isorate[heif]'") from None
    return pillow_heif
