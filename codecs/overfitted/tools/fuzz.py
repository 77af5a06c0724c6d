"""What decoding damaged streams does.

Flipped bits, replaced pieces, cut files, other headers; in half of the cases the file's checksum is made right again,
so that the damage reaches what lies behind it.
"""

import random
import zlib
from collections.abc import Iterator

from isorate.codecs.damage import FuzzReport, decode_damaged
from isorate.codecs.overfitted.bitstream.header import FIXED, TRAILER
from isorate.codecs.overfitted.codec import OverfittedCodec


def mutations(data: bytes, seed: int) -> Iterator[bytes]:
    """Yield damaged versions of `data`, all different from it; half of them with the file's checksum made right."""
    draw = random.Random(seed)  # noqa: S311  (no secret)
    while True:
        mutated = bytearray(data)
        kind = draw.randrange(4)
        start = draw.randrange(len(data))
        if kind == 0:
            for _ in range(draw.randint(1, 8)):
                mutated[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        elif kind == 1:
            mutated[start : start + draw.randint(1, 40)] = draw.randbytes(draw.randint(0, 40))
        elif kind == 2:
            del mutated[start:]
        else:
            mutated[draw.randrange(FIXED.size)] = draw.randrange(256)
        if draw.random() < 0.5:
            body = mutated[: -TRAILER.size]
            mutated = body + TRAILER.pack(zlib.crc32(body))
        if bytes(mutated) != data:
            yield bytes(mutated)


def fuzz(codec: OverfittedCodec, data: bytes, count: int, seed: int = 0) -> FuzzReport:
    """Decode `count` mutations of `data` and count what happens; any other exception propagates."""
    return decode_damaged(codec, data, mutations(data, seed), count)
