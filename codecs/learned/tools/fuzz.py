"""What decoding damaged streams does."""

import random
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from isorate.codecs.learned.bitstream.header import FIXED, TRAILER
from isorate.codecs.learned.codec import LearnedCodec
from isorate.errors import BitstreamError

KNOBS = range(5, 8)


@dataclass(slots=True)
class FuzzReport:
    """What happened to the mutated streams.

    Attributes
    ----------
    outcomes
        How often each happened: ``refused`` (BitstreamError), ``same picture``, ``wrong picture``.
    slowest
        Seconds of the longest decode.
    normal
        Seconds of decoding the intact stream.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    normal: float = 0.0


def mutations(data: bytes, seed: int) -> Iterator[bytes]:
    """Yield damaged versions of `data`, all different from it; a third of them with the file's checksum made right."""
    draw = random.Random(seed)  # noqa: S311  (no secret)
    kinds = (_flip, _replace, _cut, _insert, _delete, _swap)
    while True:
        mutated = draw.choice(kinds)(bytearray(data), draw)
        if draw.random() < 1 / 3:
            mutated = _resealed(data, draw)
        if bytes(mutated) != data:
            yield bytes(mutated)


def fuzz(codec: LearnedCodec, data: bytes, count: int, seed: int = 0) -> FuzzReport:
    """Decode `count` mutations of `data` and count what happens; any other exception propagates."""
    report = FuzzReport()
    picture = codec.decode(data)
    started = time.perf_counter()
    codec.decode(data)
    report.normal = time.perf_counter() - started
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


def _resealed(data: bytes, draw: random.Random) -> bytearray:
    """Return `data` with damage to knobs or payload that the file's checksum does not show."""
    body = bytearray(data[: -TRAILER.size])
    for _ in range(draw.randint(1, 4)):
        place = draw.choice([*KNOBS, *range(FIXED.size + 4, len(body))])
        body[place] = draw.randrange(256)
    return body + TRAILER.pack(zlib.crc32(body))


def _flip(data: bytearray, draw: random.Random) -> bytearray:
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def _replace(data: bytearray, draw: random.Random) -> bytearray:
    start = draw.randrange(len(data))
    for place in range(start, min(len(data), start + draw.randint(1, 40))):
        data[place] = draw.randrange(256)
    return data


def _cut(data: bytearray, draw: random.Random) -> bytearray:
    return data[: draw.randrange(len(data))]


def _insert(data: bytearray, draw: random.Random) -> bytearray:
    place = draw.randrange(len(data) + 1)
    return data[:place] + bytearray(draw.randbytes(draw.randint(1, 20))) + data[place:]


def _delete(data: bytearray, draw: random.Random) -> bytearray:
    place = draw.randrange(len(data))
    return data[:place] + data[place + draw.randint(1, 20) :]


def _swap(data: bytearray, draw: random.Random) -> bytearray:
    one, other = draw.randrange(len(data)), draw.randrange(len(data))
    data[one], data[other] = data[other], data[one]
    return data
