"""AV1 by SVT-AV1 through PyAV, in AVIF files: 4:2:0 of 10 bits."""

import ctypes
import io
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from isorate.codecs.base import Codec, Knob
from isorate.codecs.bpg.colour import samples
from isorate.codecs.video import avif
from isorate.codecs.video.priority import ordinary_priority
from isorate.codecs.video.pyav import FULL_RANGE, load_av
from isorate.codecs.video.ycbcr import MATRIX, PRIMARIES, TRANSFER, to_planes
from isorate.errors import CodecError, CodecUnavailableError, UsageError
from isorate.image import Image, size_problem

if TYPE_CHECKING:
    from av import VideoFrame

ENCODER = "libsvtav1"
BIT_DEPTH = 10

# Rough guesses, where a search begins; a wrong one costs an encode or two.
TYPICAL_RATES = ((4, 9.0), (80, 1.3), (112, 0.72), (144, 0.34), (176, 0.16), (208, 0.08), (240, 0.035), (252, 0.025))


@dataclass(frozen=True)
class SvtAv1(Codec):
    """SVT-AV1 tuned for PSNR; it codes 4:2:0 only.

    The picture is a key frame of a video stream, for which SVT-AV1 takes more care than for its still pictures: 0.25 dB
    on kodim23. AVIF allows that and recommends the other.

    Parameters
    ----------
    preset
        0 (slow) to 13. Preset 2 is eight times as fast and loses 0.3 dB.
    still
        Whether the stream is marked as a still picture, SVT-AV1's ``avif=1``.
    """

    name = "svtav1"
    label = "AV1 (SVT)"
    suffix = ".avif"

    preset: int = 0
    still: bool = False
    chroma: str = field(default="420", init=False)
    bit_depth: int = field(default=BIT_DEPTH, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.preset <= 13:
            raise UsageError(f"codec svtav1: preset={self.preset} cannot be used; allowed: 0 to 13")

    @property
    def knob(self) -> Knob:
        """SVT-AV1's constant rate factor in its steps of a quarter: 4 to 252 stand for 1 to 63."""
        return Knob("crf_x4", 4, 252, integer=True, rising=False, log=False, default=160, typical=TYPICAL_RATES)

    @property
    def backend(self) -> str:
        """SVT-AV1's and PyAV's versions."""
        version, av = _version(), load_av(self.name)
        if version[:2] in ("0.", "1.", "2.", "3."):
            raise CodecUnavailableError(
                f"svtav1: PyAV {av.__version__} has SVT-AV1 {version}; 4 is needed, which takes quarters of a crf; "
                "pip install --upgrade av"
            )
        return f"SVT-AV1 {version} via PyAV {av.__version__}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return an AVIF file."""
        height, width = image.shape[:2]
        if problem := size_problem(width, height):
            raise CodecError(f"svtav1: {problem}")
        os.environ.setdefault("SVT_LOG", "0")  # the library prints to stderr, and asks nobody else
        av = load_av(self.name, ENCODER)
        # One thread: those of before waited for each other for ever on pictures with a side of 24 pixels or less.
        settings = f"tune=1:avif={int(self.still)}:crf={knob / 4:g}:lp=1"
        out = io.BytesIO()
        try:
            with ordinary_priority(), av.open(out, "w", format="avif") as container:
                stream = container.add_stream(ENCODER, rate=1)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p10le"
                stream.options = {"preset": str(self.preset), "svtav1-params": settings}
                context = stream.codec_context
                context.thread_count = 1
                context.color_range, context.colorspace = FULL_RANGE, MATRIX
                context.color_primaries, context.color_trc = PRIMARIES, TRANSFER
                for packet in [*stream.encode(self._frame(image)), *stream.encode(None)]:
                    container.mux(packet)
        except av.FFmpegError as error:
            raise CodecError(
                f"svtav1: SVT-AV1 cannot code a picture of {width}×{height} at crf {knob / 4:g}: {error.strerror}"
            ) from None
        return out.getvalue()

    def decode(self, data: bytes) -> Image:
        """Return the pixels by dav1d."""
        return avif.decode(data)

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes of the container."""
        return avif.header_bytes(data)

    def _frame(self, image: Image) -> "VideoFrame":
        height, width = image.shape[:2]
        frame: VideoFrame = load_av(self.name).VideoFrame(width, height, "yuv420p10le")
        for target, plane in zip(frame.planes, to_planes(image, BIT_DEPTH, "420"), strict=True):
            samples(target, BIT_DEPTH)[:] = plane
        frame.color_range, frame.colorspace, frame.pts = FULL_RANGE, MATRIX, 0
        return frame


@cache
def _version() -> str:
    """Return what the library in PyAV's wheel says of itself."""
    package = Path(load_av("svtav1", ENCODER).__file__ or "").parent
    found = [
        file for folder in (package.parent / "av.libs", package / ".dylibs") for file in folder.glob("*SvtAv1Enc*")
    ]
    if not found:
        return "of unknown version"
    version = ctypes.CDLL(str(found[0])).svt_av1_get_version
    version.restype = ctypes.c_char_p
    return str(version().decode("ascii", "replace")).removeprefix("v")
