"""JPEG XL by libjxl through imagecodecs (ISO/IEC 18181)."""

from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

import numpy as np

from isorate.codecs.base import Codec, Knob
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError
from isorate.image import Image, size_problem

SIGNATURE = b"\xff\x0a"
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height of the codes 1 to 7 in a size header."""

# Geometric mean over kodim05, 15, 19 and 23.
TYPICAL_RATES = (
    (0.1, 6.79), (0.5, 2.8), (1, 1.7), (2, 0.954), (4, 0.528), (8, 0.306), (15, 0.176), (25, 0.131),
)  # fmt: skip


@dataclass(frozen=True)
class Jxl(Codec):
    """Lossy JPEG XL: VarDCT in XYB, a colour space made for the eye, for which libjxl optimizes and not for PSNR.

    Parameters
    ----------
    effort
        1 to 10. Above 7 files get smaller and the pixels' error larger.
    """

    name = "jxl"
    label = "JPEG XL"
    suffix = ".jxl"

    effort: Literal[1, 2, 3, 4, 5, 6, 7, 8, 9, 10] = 7
    chroma: str = field(default="444", init=False)

    @property
    def knob(self) -> Knob:
        """The distance: 1 is about what the eye can see, larger is smaller."""
        return Knob("distance", 0.1, 25, integer=False, rising=False, default=5, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """The versions of libjxl and imagecodecs."""
        imagecodecs = _load()
        return f"{imagecodecs.jpegxl_version()} via imagecodecs {imagecodecs.__version__}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a bare codestream at distance `knob`."""
        if problem := size_problem(image.shape[1], image.shape[0]):
            raise CodecError(f"jxl: {problem}")
        imagecodecs = _load()
        try:
            data: bytes = imagecodecs.jpegxl_encode(
                np.ascontiguousarray(image), distance=knob, effort=self.effort, usecontainer=False, numthreads=1
            )
        except (RuntimeError, ValueError) as error:
            raise CodecError(f"jxl: libjxl failed at distance {knob:g}: {error}") from None
        return data

    def decode(self, data: bytes) -> Image:
        """Return the pixels; the size in the file's header is checked before libjxl allocates them."""
        width, height = _size(data)
        if problem := size_problem(width, height):
            raise BitstreamError(f"JPEG XL stream: {problem}")
        imagecodecs = _load()
        try:
            pixels = imagecodecs.jpegxl_decode(data, numthreads=1)
        except (RuntimeError, ValueError, MemoryError) as error:
            raise BitstreamError(f"damaged JPEG XL stream ({len(data)} bytes): {error}") from None
        if pixels.shape != (height, width, 3) or pixels.dtype != np.uint8:
            raise BitstreamError(f"JPEG XL stream of shape {pixels.shape}, {pixels.dtype}: not 8-bit RGB")
        return np.ascontiguousarray(pixels)


def _load() -> ModuleType:
    try:
        import imagecodecs

        imagecodecs.jpegxl_version()
    except Exception as error:  # imagecodecs says in ways of its own that a library is missing
        raise CodecUnavailableError(f"jxl: {error}; pip install 'isorate[jxl]'") from None
    return imagecodecs


def _size(data: bytes) -> tuple[int, int]:
    """Return width and height of a codestream's size header (ISO/IEC 18181-1, SizeHeader; least significant bit first).

    Raises
    ------
    BitstreamError
        When there is none.
    """
    if data[:2] != SIGNATURE or len(data) < 12:
        raise BitstreamError(f"not a bare JPEG XL codestream ({len(data)} bytes)")
    bits = int.from_bytes(data[2:12], "little")

    def u(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = u(1)

    def side() -> int:
        return 8 * (u(5) + 1) if small else 1 + u((9, 13, 18, 30)[u(2)])

    height = side()
    ratio = u(3)
    if not ratio:
        return side(), height
    across, down = RATIOS[ratio - 1]
    return height * across // down, height
