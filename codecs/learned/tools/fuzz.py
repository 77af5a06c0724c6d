"""What decoding damaged streams does."""

import random
import zlib
from collections.abc import Iterator

from isorate.codecs.damage import FuzzReport, decode_damaged
from isorate.codecs.learned.bitstream.header import FIXED, TRAILER
from isorate.codecs.learned.codec import LearnedCodec

KNOBS = range(5, 8)


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
    return decode_damaged(codec, data, mutations(data, seed), count)


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
