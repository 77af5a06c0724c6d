"""JPEG 2000 by OpenJPEG through glymur (ITU-T T.800): irreversible 9/7 wavelet, multi-component transform."""

import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from isorate.codecs.base import Codec, Knob
from isorate.codecs.openjpeg import load_glymur
from isorate.errors import BitstreamError, CodecError
from isorate.image import Image, size_problem
from isorate.pictures.jpeg2000 import check_main_header, check_tiles, codestream, read_siz

START_OF_TILE = b"\xff\x93"
MAX_RESOLUTIONS = 6
MAX_PIXELS = 2**28
"""Larger pictures are refused before OpenJPEG allocates them: the size is what the stream says, whatever its length."""
TYPICAL_RATES = ((1, 6.0), (4, 5.6), (8, 3.0), (5000, 0.0048), (20000, 0.0037))


@dataclass(frozen=True)
class Jpeg2000(Codec):
    """JPEG 2000 with one quality layer; the knob is OpenJPEG's compression ratio.

    OpenJPEG ignores a ratio below its largest file and allocates whole coding passes, so that sizes have plateaus.

    Parameters
    ----------
    container
        ``j2k``, the bare codestream (the fairer choice: a container adds 85 bytes), or ``jp2``.
    wavelet
        ``9/7`` (irreversible). ``5/3`` is glymur's own default and loses 0.3 to 0.55 dB; it has to be asked for.
    """

    name = "jpeg2000"
    label = "JPEG2000"

    other_suffixes: ClassVar = {".jp2": "container=jp2"}

    container: Literal["j2k", "jp2"] = "j2k"
    wavelet: Literal["9/7", "5/3"] = "9/7"
    mct: bool = field(default=True, init=False)
    chroma: str = field(default="444", init=False)
    suffix: str = field(default=".j2k", init=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "suffix", f".{self.container}")

    @property
    def knob(self) -> Knob:
        """Compression ratio against 24 bits a pixel; larger is smaller."""
        return Knob("cratio", 1, 20000, integer=False, rising=False, default=120, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """OpenJPEG's and glymur's versions."""
        glymur = load_glymur()
        return f"OpenJPEG {glymur.version.openjpeg_version} via glymur {glymur.version.version}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a codestream (or JP2 file) of about ``3 * width * height / knob`` bytes."""
        if problem := size_problem(image.shape[1], image.shape[0]):
            raise CodecError(f"jpeg2000: {problem}")
        glymur = load_glymur()
        resolutions = min(MAX_RESOLUTIONS, min(image.shape[:2]).bit_length())
        with tempfile.TemporaryDirectory(prefix="isorate-jpeg2000-") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / f"image{self.suffix}"
            try:
                glymur.Jp2k(
                    path,
                    data=np.ascontiguousarray(image),
                    cratios=[float(knob)],
                    irreversible=self.wavelet == "9/7",
                    mct=self.mct,
                    numres=resolutions,
                )
                data = path.read_bytes()
            except (OSError, RuntimeError, glymur.jp2k.InvalidJp2kError) as error:
                raise CodecError(f"jpeg2000: OpenJPEG failed at cratio {knob:g}: {error}") from None
        self._check_wavelet(data)
        stream = codestream(data)
        check_main_header(stream, read_siz(stream))  # OpenJPEG writes some that nobody has the memory to read
        return data

    def decode(self, data: bytes) -> Image:
        """Return the pixels as OpenJPEG decodes them; size, depth and tiles are checked before."""
        stream = codestream(data)
        if not stream:
            raise BitstreamError(f"not a JPEG 2000 stream ({len(data)} bytes)")
        siz = read_siz(stream)
        if siz.bits != (8, 8, 8):
            raise BitstreamError(f"JPEG 2000 stream of {len(siz.bits)} components of {siz.bits} bits: not 8-bit RGB")
        if problem := size_problem(siz.width, siz.height):
            raise BitstreamError(f"JPEG 2000 stream: {problem}")
        check_tiles(stream, check_main_header(stream, siz), siz)
        glymur = load_glymur()
        with tempfile.TemporaryDirectory(prefix="isorate-jpeg2000-") as folder, warnings.catch_warnings():
            warnings.simplefilter("error")
            path = Path(folder) / f"image{self.suffix}"
            path.write_bytes(data)
            try:
                pixels = np.asarray(glymur.Jp2k(path)[:])
            except Exception as error:  # glymur parses in Python: damage surfaces as whatever the parser trips over
                raise BitstreamError(f"damaged JPEG 2000 stream ({len(data)} bytes): {error}") from None
        if pixels.shape != (siz.height, siz.width, 3) or pixels.dtype != np.uint8:
            raise BitstreamError(f"JPEG 2000 stream of shape {pixels.shape}, {pixels.dtype}: not 8-bit RGB")
        return pixels

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes before the first tile's packets."""
        at = data.find(START_OF_TILE)
        return at + 2 if at >= 0 else None

    def _check_wavelet(self, data: bytes) -> None:
        """Refuse a stream whose COD segment (T.800 A.6.1) names another transform than the one asked for."""
        cod = data.find(b"\xff\x52")
        multi_component, transform = data[cod + 8], data[cod + 13]
        if (multi_component, transform) != (1, 0 if self.wavelet == "9/7" else 1):
            raise CodecError(
                f"jpeg2000: the library wrote transform {transform}, component transform {multi_component}; "
                f"{self.wavelet} with the component transform was asked for"
            )
