"""LEB128: whole numbers as 7 bits a byte, low first, the top bit set on all bytes but the last."""

from isorate.errors import BitstreamError

LONGEST = 5


def to_leb128(value: int) -> bytes:
    """Return `value`, 0 or more, as bytes."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_leb128(data: bytes, at: int, what: str) -> tuple[int, int]:
    """Return the number at offset `at` and the offset behind it.

    Raises
    ------
    BitstreamError
        When it does not end within five bytes; `what` begins the message: ``learned: damaged, a side of the picture``.
    """
    value = 0
    for count, byte in enumerate(data[at : at + LONGEST]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, at + count + 1
    raise BitstreamError(f"{what} has no end")
