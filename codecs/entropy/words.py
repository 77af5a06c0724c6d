"""The range coder's 32-bit words as the bytes of a payload: little-endian, zero bytes at the end left out."""

import numpy as np
from numpy.typing import NDArray

WORD = 4


def to_payload(words: NDArray[np.uint32]) -> bytes:
    """Return the payload of `words`."""
    payload: bytes = words.astype("<u4").tobytes()
    return payload.rstrip(b"\0")


def to_words(payload: bytes) -> NDArray[np.uint32]:
    """Return the words of `payload`."""
    return np.frombuffer(payload + bytes(-len(payload) % WORD), "<u4").astype(np.uint32)
