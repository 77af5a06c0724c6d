"""What decoding damaged streams does: the same count for every codec, with mutations of its own."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from isorate.codecs.base import Codec
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
    normal
        Seconds of decoding the intact stream.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    normal: float = 0.0


def decode_damaged(codec: Codec, data: bytes, mutations: Iterator[bytes], count: int) -> FuzzReport:
    """Decode `count` mutations of `data` and count what happens; any other exception propagates."""
    report = FuzzReport()
    picture = codec.decode(data)
    started = time.perf_counter()
    codec.decode(data)
    report.normal = time.perf_counter() - started
    for _, mutated in zip(range(count), mutations, strict=False):
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
