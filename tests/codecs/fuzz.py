"""Decode damaged files of one codec under 6 GB of memory and 20 s of computing each; print what happened as JSON.

``python tests/codecs/fuzz.py CODEC COUNT SEED``; the codec ``pictures`` stands for reading originals of every format.
"""

import io
import json
import random
import resource
import signal
import struct
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image as PillowImage
from skimage.data import astronaut

from isorate.codecs.bpg import Bpg
from isorate.codecs.bpg.container import pack_ue7
from isorate.codecs.entropy.leb128 import read_leb128, to_leb128
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.overfitted import OverfittedCodec
from isorate.codecs.overfitted.bitstream.header import FIXED, SIDE
from isorate.codecs.registry import CodecSpec
from isorate.datasets.images import load_image
from isorate.errors import BitstreamError, CodecUnavailableError, ImageError
from isorate.image import Image

OTHERS = {
    "webp": "webp", "avif": "avif:speed=9", "svtav1": "svtav1:preset=8", "vvc": "vvc:preset=faster",
    "heif": "heif:preset=veryfast", "jxl": "jxl",
}  # fmt: skip
"""Codecs whose sizes stand where the mutations of a header reach them."""
MEMORY = 6 * 2**30
SECONDS = 20
SIDES = (0, 1, 2, 127, 128, 129, 4096, 16384, 16385, 65535, 2**22, 2**28, 2**31 - 1)

PHOTO = np.ascontiguousarray(astronaut()[40:168, 130:258])


class Decoder(Protocol):
    """What is tried."""

    def decode(self, data: bytes, /) -> Image: ...


class Pictures:
    """Originals, in files of every format that is read."""

    def __init__(self) -> None:
        self.file = Path(tempfile.mkdtemp(prefix="isorate-fuzz-")) / "picture"

    def decode(self, data: bytes) -> Image:
        self.file.write_bytes(data)
        return load_image(self.file).pixels

    @staticmethod
    def files() -> list[bytes]:
        picture, found = PillowImage.fromarray(PHOTO), []
        for file_format in ("PNG", "TIFF", "WEBP", "JPEG", "BMP", "PPM", "GIF", "AVIF", "JPEG2000"):
            out = io.BytesIO()
            picture.save(out, file_format)
            found.append(out.getvalue())
        return found


def streams(name: str) -> tuple[Decoder, list[bytes], Callable[[bytes, random.Random], bytes]]:
    """Return a codec, a few of its files, and what claims another size in one of them."""
    if name == "pictures":
        return Pictures(), Pictures.files(), _resized_png
    if name == "overfitted":
        golden = Path(__file__).parents[1] / "data" / "overfitted"
        return OverfittedCodec(threads=1), [file.read_bytes() for file in golden.glob("*.ofi")], _resized_overfitted
    if name == "learned":
        codec = LearnedCodec(threads=1)
        return codec, [codec.encode(PHOTO, rate) for rate in (0.003, 0.0003)], _resized_learned
    if name == "bpg":
        bpg = Bpg("embedded", level=1)
        deep = Bpg("embedded", level=1, bit_depth=12, chroma="420")
        return bpg, [bpg.encode(PHOTO, 20), bpg.encode(PHOTO, 40), deep.encode(PHOTO, 30)], _resized_bpg
    if name == "jpeg2000":
        j2k, jp2 = Jpeg2000(), Jpeg2000("jp2")
        return j2k, [j2k.encode(PHOTO, 30), j2k.encode(PHOTO, 200), jp2.encode(PHOTO, 60)], _resized_jpeg2000
    if name in OTHERS:
        other = CodecSpec.parse(OTHERS[name]).create()
        sizes = PHOTO, np.ascontiguousarray(PHOTO[:97, :131])
        return other, [other.encode(picture, other.knob.default or 0) for picture in sizes], lambda data, _: data
    jpeg, scans = Jpeg(chroma="444"), Jpeg(progressive=True)
    return jpeg, [jpeg.encode(PHOTO, 10), jpeg.encode(PHOTO, 90), scans.encode(PHOTO, 40)], _resized_jpeg


def _resized_learned(data: bytes, draw: random.Random) -> bytes:
    def leb128(value: int) -> bytes:
        groups = [value >> shift & 127 for shift in range(0, max(1, value.bit_length()), 7)]
        return bytes([group | 128 for group in groups[:-1]] + groups[-1:])

    body = data[:12] + leb128(draw.choice(SIDES)) + leb128(draw.choice(SIDES)) + data[16:-4]
    return body + zlib.crc32(body).to_bytes(4)


def _resized_overfitted(data: bytes, draw: random.Random) -> bytes:
    _, at = read_leb128(data, FIXED.size, SIDE)
    _, at = read_leb128(data, at, SIDE)
    body = data[: FIXED.size] + to_leb128(draw.choice(SIDES)) + to_leb128(draw.choice(SIDES)) + data[at:-4]
    return body + zlib.crc32(body).to_bytes(4)


def _resized_png(data: bytes, draw: random.Random) -> bytes:
    if not data.startswith(b"\x89PNG"):
        return data
    head = data[12:16] + struct.pack(">II", draw.choice(SIDES), draw.choice(SIDES)) + data[24:29]
    return data[:12] + head + zlib.crc32(head).to_bytes(4) + data[33:]


def _resized_bpg(data: bytes, draw: random.Random) -> bytes:
    return data[:6] + pack_ue7(draw.choice(SIDES)) + pack_ue7(draw.choice(SIDES)) + data[10:]


def _resized_jpeg2000(data: bytes, draw: random.Random) -> bytes:
    damaged, at = bytearray(data), data.index(b"\xff\x4f\xff\x51")
    struct.pack_into(">II", damaged, at + 8, draw.choice(SIDES), draw.choice(SIDES))
    if draw.random() < 0.7:
        struct.pack_into(">II", damaged, at + 24, draw.choice(SIDES), draw.choice(SIDES))
    return bytes(damaged)


def _resized_jpeg(data: bytes, draw: random.Random) -> bytes:
    damaged = bytearray(data)
    at = next(data.index(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    struct.pack_into(">HH", damaged, at + 5, draw.choice(SIDES) & 65535, draw.choice(SIDES) & 65535)
    return bytes(damaged)


def mutations(data: bytes, resized: Callable[[bytes, random.Random], bytes], draw: random.Random) -> Iterator[bytes]:
    """Yield damaged versions: other bytes, mostly in the header, pieces lost or doubled, other sizes of the picture."""
    while True:
        damaged = bytearray(resized(data, draw) if draw.random() < 0.25 else data)
        for _ in range(draw.choice((0, 1, 1, 2, 8))):
            reach = draw.choice((40, 200, 1 + len(damaged)))
            place = draw.randrange(min(reach, max(1, len(damaged))))
            kind = draw.randrange(6)
            if kind < 3 and damaged:
                damaged[place] = draw.choice((0, 255, draw.randrange(256), damaged[place] ^ 1 << draw.randrange(8)))
            elif kind == 3:
                del damaged[place : place + draw.randint(1, 30)]
            elif kind == 4:
                damaged[place:place] = damaged[place : place + draw.randint(1, 60)]
            else:
                damaged = damaged[: max(1, place)]
        if draw.random() < 0.3 and data[:2] in (b"\xce\xbb", b"\xcf\x89"):
            damaged[-4:] = zlib.crc32(damaged[:-4]).to_bytes(4)
        yield bytes(damaged)


class Late(BaseException):
    """A file took too long: no Exception, so that no codec takes it for its library's."""


def main(name: str, count: int, seed: int) -> None:
    """Fuzz one codec."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    codec, files, resized = streams(name)
    draw = random.Random(seed)
    sources = [mutations(data, resized, draw) for data in files]

    def late(*_: object) -> None:
        raise Late

    # computing time, which other work on the machine does not lengthen; and a long time of the clock, for what waits
    signal.signal(signal.SIGPROF, late)
    signal.signal(signal.SIGALRM, late)
    outcomes: Counter[str] = Counter()
    slowest, foreign = 0.0, []
    for number in range(count):
        data = next(sources[number % len(sources)])
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(20 * SECONDS)
        try:
            codec.decode(data)
            outcomes["a picture"] += 1
        except (BitstreamError, CodecUnavailableError, ImageError):
            outcomes["refused"] += 1
        except (Exception, Late) as error:
            outcomes["foreign"] += 1
            foreign.append(f"{type(error).__name__}: {str(error)[:200]} ({len(data)} bytes: {data[:48].hex()})")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        slowest = max(slowest, time.process_time() - started)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({**outcomes, "slowest_s": round(slowest, 2), "memory_mb": memory, "foreign_errors": foreign[:5]}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
