"""``python -m isorate.codecs.overfitted.tools.fuzz STREAM --count 1000``: what decoding damaged streams does.

Flipped bits, replaced pieces, cut files, other headers; in half of the cases the file's checksum is made right again,
so that the damage reaches what lies behind it.
"""

import argparse
import random
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

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


def main(arguments: list[str] | None = None) -> int:
    """Fuzz and print; return 1 when a wrong picture came out."""
    parser = argparse.ArgumentParser(description="Decode damaged versions of a stream.")
    parser.add_argument("stream", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    report = fuzz(OverfittedCodec(threads=1), given.stream.read_bytes(), given.count, given.seed)
    print(dict(report.outcomes), f"slowest {report.slowest:.4f} s")
    return 1 if report.outcomes["wrong picture"] else 0


if __name__ == "__main__":
    sys.exit(main())
