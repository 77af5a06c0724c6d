"""Files made of boxes: JP2 (ITU-T T.800, Annex I) and AVIF (ISO/IEC 14496-12)."""

import struct
from collections.abc import Iterator


def boxes(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield type, start and end of the content of each box in ``data[at:end]``; stop at one that is not whole."""
    end = len(data) if end is None else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and start + 8 <= end:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = end if size == 0 else at + size
        if not start <= stop <= end:
            return
        yield kind, start, stop
        at = stop


def find(data: bytes, *path: bytes) -> list[bytes]:
    """Return the content of every box that `path`, from the outermost type to the innermost, leads to."""
    found = [(0, len(data))]
    for kind in path:
        # 'meta' is a full box: four bytes of version and flags stand before the boxes within
        found = [
            (start + 4 * (inner == b"meta"), stop)
            for at, end in found
            for inner, start, stop in boxes(data, at, end)
            if inner == kind
        ]
    return [data[start:stop] for start, stop in found]
