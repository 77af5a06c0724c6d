"""BPG as a codec: the knob is HEVC's quantization parameter; the back end stands in every result row."""

from typing import Literal, get_args

from isorate.codecs.base import Codec, Knob, Option
from isorate.codecs.bpg import embedded, external, hevc
from isorate.errors import CodecUnavailableError, UsageError
from isorate.image import Image

Backend = Literal["auto", "embedded", "bpgenc"]
Encoder = Literal["x265", "jctvc"]
Chroma = Literal["444", "422", "420"]

MAX_QP = 51
# Geometric mean over photographs of half a megapixel, 4:4:4.
TYPICAL_RATES = (
    (0, 9.0), (20, 2.3), (23, 1.75), (26, 1.32), (29, 0.97), (32, 0.68), (35, 0.46), (38, 0.30), (41, 0.19),
    (44, 0.115), (47, 0.068), (51, 0.032),
)  # fmt: skip


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

    def __init__(
        self,
        backend: Backend = "auto",
        encoder: Encoder = "x265",
        chroma: Chroma = "444",
        bit_depth: int = 8,
        level: int = 8,
    ) -> None:
        chroma = str(chroma)  # type: ignore[assignment]
        depths = hevc.CODED_DEPTHS if encoder == "x265" else tuple(range(8, 13))
        for key, value, accepted in (
            ("backend", backend, get_args(Backend)),
            ("encoder", encoder, get_args(Encoder)),
            ("chroma", chroma, get_args(Chroma)),
            ("bit_depth", bit_depth, depths),
            ("level", level, tuple(range(1, 10))),
        ):
            if value not in accepted:
                raise UsageError(f"bpg: {key}={value!r} is not one of {', '.join(map(str, accepted))}")
        if backend == "embedded" and encoder != "x265":
            raise UsageError(f"bpg: encoder={encoder} needs backend=bpgenc; the embedded back end has x265 only")
        self._backend, self._encoder, self._chroma = backend, encoder, chroma
        self._bit_depth, self._level = bit_depth, level

    @property
    def knob(self) -> Knob:
        """HEVC's quantization parameter: six steps double the quantizer; larger is smaller."""
        return Knob("qp", 0, MAX_QP, integer=True, rising=False, log=False, default=37, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """``bpgenc``'s version and encoder, or x265's and PyAV's versions."""
        if self._external:
            return f"bpgenc {external.version(external.encoder())} {self._encoder}"
        return embedded.version()

    @property
    def options(self) -> dict[str, Option]:
        """Encoder, chroma subsampling, bit depth, compression level."""
        return {
            "encoder": self._encoder,
            "chroma": self._chroma,
            "bit_depth": self._bit_depth,
            "level": self._level,
        }

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a BPG file at quantization parameter `knob`."""
        if not float(knob).is_integer() or not 0 <= knob <= MAX_QP:
            raise UsageError(f"bpg: qp {knob:g} is no whole number from 0 to {MAX_QP}")
        chroma, bit_depth, level = self._chroma, self._bit_depth, self._level
        if self._external:
            return external.encode(
                image, int(knob), encoder_name=self._encoder, chroma=chroma, bit_depth=bit_depth, level=level
            )
        return embedded.encode(image, int(knob), chroma=chroma, bit_depth=bit_depth, level=level)

    def decode(self, data: bytes) -> Image:
        """Return the pixels, by bpgdec where bpgenc is in use and bpgdec is there; both decoders give the same."""
        program = external.find("bpgdec", external.DECODER_VARIABLE) if self._external else None
        if program is None:
            return embedded.decode(data)
        header = embedded.parse(data)[0]
        return external.decode(program, data, header.width * header.height)

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes before the first slice."""
        return embedded.header_bytes(data)

    @property
    def _external(self) -> bool:
        """Whether bpgenc makes the bits."""
        if self._backend != "auto":
            return self._backend == "bpgenc"
        if external.find("bpgenc", external.ENCODER_VARIABLE):
            return True
        if self._encoder != "x265":
            raise CodecUnavailableError(
                f"bpg: encoder={self._encoder} needs bpgenc on PATH or named by {external.ENCODER_VARIABLE}"
            )
        return False
