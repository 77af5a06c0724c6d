"""One picture through the decoders in PyAV's wheel, and the memory of its planes."""

from types import ModuleType
from typing import TYPE_CHECKING

from isorate.codecs.bpg.colour import Plane, samples
from isorate.errors import BitstreamError, CodecUnavailableError
from isorate.image import MAX_PIXELS

if TYPE_CHECKING:
    from av import VideoFrame

FULL_RANGE = 2
"""FFmpeg's ``AVCOL_RANGE_JPEG``."""


def load_av(codec: str, encoder: str = "", decoder: str = "") -> ModuleType:
    """Return PyAV, with the encoder and the decoder that `codec` needs.

    Raises
    ------
    CodecUnavailableError
        When PyAV or one of them is missing.
    """
    try:
        import av

        if encoder:
            av.codec.Codec(encoder, "w")
        if decoder:
            av.codec.Codec(decoder, "r")
    except (ImportError, ValueError) as error:
        needed = " and ".join(filter(None, (encoder, decoder)))
        raise CodecUnavailableError(
            f"{codec}: PyAV with {needed} is needed ({error}); pip install --upgrade av"
        ) from None
    return av


def decode_picture(codec: str, decoder: str, data: bytes, max_pixels: int = MAX_PIXELS) -> "VideoFrame":
    """Return the one picture that `data` codes.

    Parameters
    ----------
    codec
        Who asks, for the messages.
    decoder
        FFmpeg's name of the decoder.
    data
        The elementary stream.
    max_pixels
        A larger picture is refused before anything is allocated for it.

    Raises
    ------
    BitstreamError
        When the data are damaged or hold no picture, or more than one.
    """
    av = load_av(codec, decoder=decoder)
    context = av.CodecContext.create(decoder, "r")
    context.thread_count = 1
    context.options = {"err_detect": "crccheck+bitstream+buffer+explode", "max_pixels": str(max_pixels)}
    try:
        frames: list[VideoFrame] = [*context.decode(av.Packet(data)), *context.decode(None)]
    except av.FFmpegError as error:
        raise BitstreamError(f"{codec}: damaged data ({len(data)} bytes): {error.strerror}") from None
    if len(frames) != 1 or frames[0].is_corrupt:
        raise BitstreamError(f"{codec}: damaged data ({len(data)} bytes): {len(frames)} pictures decoded")
    return frames[0]


def planes_of(frame: "VideoFrame") -> list[Plane]:
    """Return the planes of a picture; they are views of its memory."""
    return [samples(plane, frame.format.components[0].bits) for plane in frame.planes]
