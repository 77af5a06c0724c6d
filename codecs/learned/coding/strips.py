"""Running a transform in horizontal strips, so that memory follows the strip and not the picture."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

STRIP_PIXELS = 4_000_000
"""Pictures up to this size are one strip."""


def strips(units: int, unit_pixels: int, halo: int) -> Iterator[tuple[slice, slice, slice]]:
    """Yield how `units` rows of units are cut.

    Parameters
    ----------
    units
        Rows of units in the picture (a unit is 64 pixels high).
    unit_pixels
        Pixels in one row of units.
    halo
        Units of overlap that the transform's window needs on either side.

    Yields
    ------
    Units to read, units to keep within those read, units to write.
    """
    count = max(1, STRIP_PIXELS // unit_pixels)
    for top in range(0, units, count):
        end = min(units, top + count)
        start = max(0, top - halo)
        yield slice(start, min(units, end + halo)), slice(top - start, end - start), slice(top, end)


def scaled(part: slice, rows: int) -> slice:
    """Return `part`, a slice of units, as a slice of rows of which a unit has `rows`."""
    return slice(part.start * rows, part.stop * rows)


def in_strips(run: Callable[[slice], Tensor], units: int, unit_pixels: int, halo: int, rows: int) -> Tensor:
    """Return the whole output of `run`, which maps units to an output (N, C, rows · units, width)."""
    outputs = []
    for read, keep, _ in strips(units, unit_pixels, halo):
        outputs.append(run(read)[:, :, scaled(keep, rows)])
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=2)
