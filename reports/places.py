"""Where a reader of a comparison looks: at structure, on which the two codecs nearest to the original differ."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian

from isorate.image import Image

SCALES = 4
"""At how many scales a place must have edges, each of half the resolution: noise and sand have them at the finest."""
CONTRAST = 12.0
"""The gradient, in levels a pixel of the scale, that counts half: beyond, more contrast is not more to see."""
MASKING = 30.0
"""The standard deviation of luma around a place, in levels, that hides a part of an error there."""
BLACK, WHITE = 8, 250
"""Samples at or beyond these levels in all three channels are shadows and glare."""
STEP = 8
"""Pixels between the places that are looked at: finer steps only shift a box within the same content."""
PLAIN = 1e-3
"""What a pixel without any structure counts: in an even picture, what a codec did to it is all there is to see."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

_Plane: TypeAlias = NDArray[np.float32]


def places(original: Image, frames: Sequence[Image], width: int, height: int, count: int) -> list[tuple[int, int]]:
    """Return the upper left corners of boxes worth magnifying, the most telling first.

    The score of a box is the mean over its pixels of :func:`structure` times :func:`difference`, black and white
    left out, where the difference is that between the two frames nearest to the original (of a single frame, or of
    equal ones, that to the original). Boxes do not overlap, and those near one that was chosen count less, so that
    they spread over the picture. Ties go to the upper left: equal input gives equal boxes.

    Parameters
    ----------
    original
        The picture, height × width × 3, 8 bits.
    frames
        What codecs made of it, in the same shape.
    width, height
        The boxes' size in pixels, not larger than the picture.
    count
        How many boxes; fewer where no more have room.
    """
    score = structure(original)
    pair = _closest(original, frames)
    if pair is not None:
        score = (score + PLAIN) * difference(original, *pair)
    lost = (original.max(axis=2) <= BLACK) | (original.min(axis=2) >= WHITE)
    means = _box_means(np.where(lost, 0, score), width, height)
    ys, xs = (_steps(*sides) for sides in ((original.shape[0], height), (original.shape[1], width)))
    values = means[np.ix_(ys, xs)]
    reach = math.hypot(*original.shape[:2]) / 3
    found: list[tuple[int, int]] = []
    while len(found) < count and values.max() >= 0:
        row, column = np.unravel_index(np.argmax(values), values.shape)
        found.append((int(xs[column]), int(ys[row])))
        down, across = np.abs(ys - ys[row])[:, None], np.abs(xs - xs[column])[None, :]
        values = values * np.minimum(1, 0.5 + 0.5 * np.hypot(down, across) / reach)
        values[(down < height) & (across < width)] = -1
    return found


def structure(original: Image) -> _Plane:
    """Return how much there is to see around each pixel, 0 to 1: edges that stand out at every scale.

    At each scale the largest gradient of the three channels, averaged over its surroundings, is weighed by
    :data:`CONTRAST`; the scales are multiplied, so that a place without edges at one of them has none.
    """
    unit = 2**SCALES  # leaves two pixels a side at the coarsest scale
    height, width = original.shape[:2]
    level = np.pad(original.astype(np.float32), ((0, -height % unit), (0, -width % unit), (0, 0)), mode="edge")
    product = np.ones(level.shape[:2], np.float32)
    for scale in range(SCALES):
        if scale:
            level = level.reshape(level.shape[0] // 2, 2, level.shape[1] // 2, 2, 3).mean((1, 3))
        down, across = np.gradient(_blurred(level, 1), axis=(0, 1))
        edges = _blurred(np.sqrt((down**2 + across**2).max(axis=2)), 2)
        product *= np.kron(edges / (edges + CONTRAST), np.ones((2**scale, 2**scale), np.float32))
    return np.sqrt(product)[:height, :width]


def difference(original: Image, one: Image, other: Image) -> _Plane:
    """Return how much two frames differ to the eye, in levels: less where the original is busy, which hides errors."""
    apart = _blurred(one.astype(np.float32) - other.astype(np.float32), 0.7)
    luma = original.astype(np.float32) @ _LUMA
    around = _blurred((luma - _blurred(luma, 2)) ** 2, 2)
    return np.sqrt((apart**2) @ _LUMA / (1 + np.maximum(around, 0) / MASKING**2))


def _closest(original: Image, frames: Sequence[Image]) -> tuple[Image, Image] | None:
    errors = [float(np.mean((original.astype(np.float32) - frame) ** 2)) for frame in frames]
    order = [*(frames[index] for index in np.argsort(errors, kind="stable")), original]
    return next(((order[0], other) for other in order[1:] if not np.array_equal(order[0], other)), None)


def _steps(side: int, box: int) -> NDArray[np.int64]:
    """Return where boxes begin along a side; scans have dark borders, so that the outermost pixels are left out."""
    border = box // 8 if side >= 2 * box else 0
    return np.arange(border, side - box - border + 1, STEP)


def _blurred(plane: _Plane, sigma: float) -> _Plane:
    blurred: _Plane = gaussian(plane, sigma, preserve_range=True, channel_axis=-1 if plane.ndim == 3 else None)
    return blurred


def _box_means(plane: NDArray[np.floating], width: int, height: int) -> NDArray[np.float64]:
    """Return the mean over every box of this size, by its upper left corner, from one table of running sums."""
    sums = np.pad(plane.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inner = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    means: NDArray[np.float64] = np.maximum(inner, 0) / (width * height)
    return means
