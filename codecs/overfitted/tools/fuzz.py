"""``python -m isorate.codecs.overfitted.tools.fuzz STREAM --count 1000``: what decoding damaged streams does.

Flipped bits, replaced pieces, cut files, other headers; in half of the cases the file's checksum is made right again,
so that the damage reaches what lies behind it.
"""

import argparse
import random
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from isorate.codecs.overfitted.bitstream.header import FIXED, TRAILER
from isorate.codecs.overfitted.codec import OverfittedCodec
from isorate.errors import BitstreamError


@dataclass(slots=True)
class FuzzReport:
    """What happened to the mutated streams.

    Attributes
    ----------
    outcomes
        How often each happened: ``refused`` (BitstreamError), ``same picture``, ``wrong picture``.
    slowest
        Seconds of the longest decode.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0


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
    report = FuzzReport()
    picture = codec.decode(data)
    for _, mutated in zip(range(count), mutations(data, seed), strict=False):
        started = time.perf_counter()
        try:
            found = codec.decode(mutated)
        except BitstreamError:
            outcome = "refused"
        else:
            outcome = "same picture" if np.array_equal(found, picture) else "wrong picture"
        report.outcomes[outcome] += 1
        report.slowest = max(report.slowest, time.perf_counter() - started)
    return report


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
