"""Chroma subsampling and interpolation: the reference software's filters, exact to the sample.

With JPEG's positions a chroma sample lies midway between two luma samples (phase ½), with MPEG2's it lies on one
horizontally (phase 0). Vertically the phase is ½ in both. Edges are replicated.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.bpg.colour import Plane, Wide, bands

HALVE = (2, -4, -8, 17, 57, 57, 17, -8, -4, 2)
"""Low-pass filter of the encoder at phase ½, sum 128."""

EVEN = (2, -6, 18, 57, -10, 4, -1)
"""Interpolation a quarter sample before a chroma sample, sum 64; reversed, a quarter sample after it."""

MIDWAY = (-1, 4, -11, 40, 40, -11, 4, -1)
"""Interpolation midway between two chroma samples, sum 64."""


def subsample(plane: Plane, bit_depth: int, *, vertical: bool) -> Plane:
    """Return `plane` at half its width, and half its height with `vertical`, at JPEG's chroma positions."""
    peak = (1 << bit_depth) - 1
    height, width = plane.shape
    out = np.empty((-(-height // 2) if vertical else height, -(-width // 2)), plane.dtype)
    columns = _window(width, -4, 2 * np.arange(out.shape[1]), len(HALVE))
    for band in bands(out.shape[0], 2 * width):
        if vertical:
            rows = _window(height, -4, 2 * np.arange(band.start, band.stop), len(HALVE))
            top, bottom = rows.min(), rows.max() + 1
            fine = _filter(plane[top:bottom].astype(np.int32), HALVE, columns)
            fine = (fine + (1 << bit_depth - 8)) >> bit_depth - 7
            value = _filter(fine.T, HALVE, rows - top).T
            value = (value + (1 << 20 - bit_depth)) >> 21 - bit_depth
        else:
            value = (_filter(plane[band].astype(np.int32), HALVE, columns) + 64) >> 7
        out[band] = np.clip(value, 0, peak)
    return out


def interpolate(plane: Plane, shape: tuple[int, int], bit_depth: int, *, vertical: bool, midway: bool) -> Plane:
    """Return `plane` at the luma's `shape`.

    Parameters
    ----------
    plane
        Chroma of ``ceil(width / 2)`` columns, and ``ceil(height / 2)`` rows with `vertical`.
    shape
        ``(height, width)`` of the luma.
    bit_depth
        Bits a sample.
    vertical
        Whether rows are interpolated too (4:2:0).
    midway
        Whether the horizontal phase is ½ (JPEG's positions) rather than 0 (MPEG2's).
    """
    out = np.empty(shape, plane.dtype)
    for band in bands(*shape):
        if vertical:
            fine = _between_rows(plane, band, bit_depth)
            extra = 14 - bit_depth
        else:
            fine = plane[band].astype(np.int32)
            extra = 0
        out[band] = _between_columns(fine, shape[1], extra, (1 << bit_depth) - 1, midway=midway)
    return out


def _between_rows(plane: Plane, band: slice, bit_depth: int) -> NDArray[np.int32]:
    """Return the luma rows of `band`, with 14 bits a sample."""
    rows = np.arange(band.start, band.stop)
    sources = _window(plane.shape[0], -3, rows // 2, len(EVEN))
    top, bottom = sources.min(), sources.max() + 1
    part, sources = plane[top:bottom].astype(np.int32).T, sources - top
    fine = np.empty((rows.size, plane.shape[1]), np.int32)
    for odd, taps in enumerate((EVEN, EVEN[::-1])):
        fine[rows % 2 == odd] = _filter(part, taps, sources[:, rows % 2 == odd]).T
    shift = bit_depth - 8
    return (fine + (1 << shift >> 1)) >> shift


def _between_columns(fine: NDArray[np.int32], width: int, extra: int, peak: int, *, midway: bool) -> Wide:
    """Return `width` columns; `fine` holds samples scaled by ``2 ** extra``."""
    sources = np.arange(fine.shape[1])
    out = np.empty((fine.shape[0], 2 * fine.shape[1]), np.int32)
    shift = 6 + extra
    half = 1 << shift - 1
    if midway:
        window = _window(fine.shape[1], -3, sources, len(EVEN))
        out[:, 0::2] = (_filter(fine, EVEN, window) + half) >> shift
        out[:, 1::2] = (_filter(fine, EVEN[::-1], window) + half) >> shift
    else:
        out[:, 0::2] = (fine + (1 << extra >> 1)) >> extra
        out[:, 1::2] = (_filter(fine, MIDWAY, _window(fine.shape[1], -3, sources, len(MIDWAY))) + half) >> shift
    return np.clip(out[:, :width], 0, peak)


def _window(size: int, first: int, centers: NDArray[np.intp], taps: int) -> NDArray[np.intp]:
    """Return, for each tap, the positions that it reads: shape ``(taps, centers)``, clamped to ``0..size-1``."""
    positions: NDArray[np.intp] = centers + first + np.arange(taps)[:, None]
    return positions.clip(0, size - 1)


def _filter(samples: NDArray[np.int32], taps: Sequence[int], window: NDArray[np.intp]) -> NDArray[np.int32]:
    """Return the sums of `taps` over the columns of `samples` that `window` names."""
    out = np.zeros((samples.shape[0], window.shape[1]), np.int32)
    for tap, columns in zip(taps, window, strict=True):
        out += np.int32(tap) * samples[:, columns]
    return out
