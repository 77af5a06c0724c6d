"""BPG as a codec: the knob is HEVC's quantization parameter; the back end stands in every result row."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from isorate.codecs.base import Codec, Knob, option
from isorate.codecs.bpg import embedded, external, hevc
from isorate.codecs.options import refusal, spelled
from isorate.errors import CodecError, CodecUnavailableError, UsageError
from isorate.image import Image, size_problem

Backend = Literal["auto", "embedded", "bpgenc"]
Encoder = Literal["x265", "jctvc"]
Chroma = Literal["444", "422", "420"]
Depth = Literal[8, 9, 10, 11, 12]
Level = Literal[1, 2, 3, 4, 5, 6, 7, 8, 9]

MAX_QP = 51
# Geometric mean over photographs of half a megapixel, 4:4:4.
TYPICAL_RATES = (
    (0, 9.0), (20, 2.3), (23, 1.75), (26, 1.32), (29, 0.97), (32, 0.68), (35, 0.46), (38, 0.30), (41, 0.19),
    (44, 0.115), (47, 0.068), (51, 0.032),
)  # fmt: skip


@dataclass(frozen=True, init=False)
class Bpg(Codec):
    """BPG in BT.601 YCbCr, full range, at integer quantization parameters.

    Parameters
    ----------
    backend
        ``bpgenc``: libbpg's programs, named by ``ISORATE_BPGENC`` and ``ISORATE_BPGDEC`` or found on PATH.
        ``embedded``: x265 and FFmpeg's HEVC decoder inside PyAV. ``auto``: the first that is there.
    encoder
        ``x265``, or ``jctvc`` (bpgenc only): 0.04 to 0.16 dB better at equal rate and several times slower.
    chroma
        Chroma subsampling.
    bit_depth
        Bits a coded sample: 8, 10 or 12 with x265, 8 to 12 with jctvc.
    level
        bpgenc's compression level ``-m``: 1 (fast) to 9 (slow).
    """

    name = "bpg"
    label = "BPG"
    suffix = ".bpg"

    program: Backend = option("auto", name="backend", changes_bits=False)
    encoder: Encoder = "x265"
    chroma: Chroma = "444"
    bit_depth: Depth = 8
    level: Level = 8

    def __init__(  # written out: `backend` is an argument, and the attribute is what every codec says of its library
        self,
        backend: Backend = "auto",
        encoder: Encoder = "x265",
        chroma: Chroma = "444",
        bit_depth: Depth = 8,
        level: Level = 8,
    ) -> None:
        given = {"program": backend, "encoder": encoder, "chroma": chroma, "bit_depth": bit_depth, "level": level}
        for name, value in given.items():
            object.__setattr__(self, name, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder == "x265" and self.bit_depth not in hevc.CODED_DEPTHS:
            allowed = f"{', '.join(map(spelled, hevc.CODED_DEPTHS))} with encoder=x265"
            raise refusal(self.name, "bit_depth", self.bit_depth, allowed)
        if self.program == "embedded" and self.encoder != "x265":
            raise refusal(self.name, "encoder", self.encoder, "x265 with backend=embedded; others need backend=bpgenc")

    @property
    def knob(self) -> Knob:
        """HEVC's quantization parameter: six steps double the quantizer; larger is smaller."""
        return Knob("qp", 0, MAX_QP, integer=True, rising=False, log=False, default=37, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """``bpgenc``'s version and encoder, or x265's and PyAV's versions."""
        if self._external:
            return f"bpgenc {external.version(external.encoder())} {self.encoder}"
        return embedded.version()

    @property
    def encoder_files(self) -> Sequence[Path]:
        """``bpgenc``, where it makes the bits."""
        return (Path(external.encoder()),) if self._external else ()

    @property
    def decoder_files(self) -> Sequence[Path]:
        """``bpgdec``, where it decodes them."""
        program = self._decoder
        return (Path(program),) if program else ()

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a BPG file at quantization parameter `knob`."""
        if not float(knob).is_integer() or not 0 <= knob <= MAX_QP:
            raise UsageError(f"bpg: qp {knob:g} is no whole number from 0 to {MAX_QP}")
        if problem := size_problem(image.shape[1], image.shape[0]):
            raise CodecError(f"bpg: {problem}")
        chroma, bit_depth, level = self.chroma, self.bit_depth, self.level
        if self._external:
            return external.encode(
                image, int(knob), encoder_name=self.encoder, chroma=chroma, bit_depth=bit_depth, level=level
            )
        return embedded.encode(image, int(knob), chroma=chroma, bit_depth=bit_depth, level=level)

    def decode(self, data: bytes) -> Image:
        """Return the pixels, by bpgdec where bpgenc is in use and bpgdec is there; both decoders give the same."""
        program = self._decoder
        if program is None:
            return embedded.decode(data)
        header = embedded.parse(data)[0]
        return external.decode(program, data, header.width * header.height)

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes before the first slice."""
        return embedded.header_bytes(data)

    @property
    def _decoder(self) -> str | None:
        """The path of the bpgdec that decodes what bpgenc made, or None where the embedded decoder does."""
        return external.find("bpgdec", external.DECODER_VARIABLE) if self._external else None

    @property
    def _external(self) -> bool:
        """Whether bpgenc makes the bits."""
        if self.program != "auto":
            return self.program == "bpgenc"
        if external.find("bpgenc", external.ENCODER_VARIABLE):
            return True
        if self.encoder != "x265":
            raise CodecUnavailableError(
                f"bpg: encoder={self.encoder} needs bpgenc on PATH or named by {external.ENCODER_VARIABLE}"
            )
        return False
