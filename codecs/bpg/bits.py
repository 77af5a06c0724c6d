"""HEVC's syntax in bits and bytes: Exp-Golomb codes, NAL units, emulation prevention (H.265 7.2, 7.3.1, 9.2)."""

import re

from isorate.errors import BitstreamError

START_CODE = b"\x00\x00\x01"


class BitReader:
    """Reads a raw byte sequence payload from its most significant bit on.

    Parameters
    ----------
    data
        Bytes without emulation prevention.
    """

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data)
        self._left = 8 * len(data)

    def u(self, n: int) -> int:
        """Return the next `n` bits, ``u(n)``."""
        if n > self._left:
            raise BitstreamError("HEVC parameters end early")
        self._left -= n
        return (self._value >> self._left) & ((1 << n) - 1)

    def flag(self) -> bool:
        """Return the next bit, ``u(1)``."""
        return bool(self.u(1))

    def ue(self) -> int:
        """Return the next unsigned Exp-Golomb code, ``ue(v)``, of at most 32 bits."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 31:
                raise BitstreamError("HEVC parameters hold an Exp-Golomb code of more than 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Return the next signed Exp-Golomb code, ``se(v)`` (9.2.2)."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def skip_ue(self, count: int) -> None:
        """Skip `count` Exp-Golomb codes, unsigned or signed."""
        for _ in range(count):
            self.ue()


class BitWriter:
    """Writes what :class:`BitReader` reads."""

    def __init__(self) -> None:
        self._value = 0
        self._length = 0

    def u(self, n: int, value: int) -> None:
        """Append `value` as ``u(n)``."""
        self._value = (self._value << n) | value
        self._length += n

    def ue(self, *values: int) -> None:
        """Append each value as ``ue(v)``."""
        for value in values:
            self.u(2 * (value + 1).bit_length() - 1, value + 1)

    def zero_padded(self) -> bytes:
        """Return the bits, filled up to a whole byte with zeros."""
        size = -(-self._length // 8)
        return (self._value << (8 * size - self._length)).to_bytes(size)

    def rbsp(self) -> bytes:
        """Return the bits with HEVC's stop bit and alignment zeros (H.265 7.3.2.11)."""
        self.u(1, 1)
        return self.zero_padded()


def split_nal_units(stream: bytes) -> list[bytes]:
    """Return the NAL units of an Annex B byte stream, start codes and trailing zeros removed."""
    return list(filter(None, (unit.rstrip(b"\x00") for unit in stream.split(START_CODE))))


def unit_type(unit: bytes) -> int:
    """Return ``nal_unit_type`` of a NAL unit of at least two bytes (H.265 7.3.1.2)."""
    return (unit[0] >> 1) & 0x3F


def payload(unit: bytes) -> bytes:
    """Return a NAL unit's payload: header and emulation prevention removed."""
    return unit[2:].replace(b"\x00\x00\x03", b"\x00\x00")


def nal_unit(kind: int, rbsp: bytes) -> bytes:
    """Return the NAL unit of type `kind`, base layer, that carries `rbsp`."""
    return bytes((kind << 1, 1)) + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", rbsp)
