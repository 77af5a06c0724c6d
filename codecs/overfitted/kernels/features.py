"""What coarser grids say to the context model: linear maps of their values, stage by stage, each repeated 2×2 times."""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import Array, compiled, inlined
from isorate.codecs.overfitted.kernels.layers import ZERO
from isorate.codecs.overfitted.kernels.numerics import HALF, ONE
from isorate.codecs.overfitted.model.structure import FEATURES


@inlined
def repeat(few: Array, many: Array) -> None:
    """Put each number of a row twice into another."""
    for q in range(many.size // 2):
        v = few[q]
        many[2 * q] = v
        many[2 * q + 1] = v
    if many.size % 2:
        many[many.size - 1] = few[few.size - 1]


@inlined
def gather_two(one: Array, other: Array, share: np.float32, few: Array) -> None:
    """Put the sums of two rows' pairs, times `share`, into a row: the gradient of :func:`repeat`."""
    for q in range(one.size // 2):
        few[q] = (one[2 * q] + one[2 * q + 1] + other[2 * q] + other[2 * q + 1]) * share
    if one.size % 2:
        few[few.size - 1] = (one[one.size - 1] + other[one.size - 1]) * share


@compiled
def say(coarser: Array, flat: Array, at: int, grids: int, height: int, width: int, w: Array, out: Array) -> None:
    """Put the features of the level above, repeated, plus w · (this level's `grids` from `at`) into `out`."""
    ch, cw = (height + 1) // 2, (width + 1) // 2
    for f in range(FEATURES):
        for r in range(height):
            c = (f * ch + r // 2) * cw
            o = (f * height + r) * width
            line = out[o : o + width]
            repeat(coarser[c : c + cw], line)
            for j in range(grids):
                weight = w[f * grids + j]
                y = flat[at + (j * height + r) * width : at + (j * height + r + 1) * width]
                for q in range(width):
                    line[q] += weight * y[q]


@compiled
def say_gradients(
    g: Array,
    flat: Array,
    at: int,
    grids: int,
    height: int,
    width: int,
    w: Array,
    g_coarser: Array,
    g_flat: Array,
    g_w: Array,
) -> None:
    """Put the gradients of `coarser` and `w` into `g_coarser` and `g_w`, add that of `flat` to `g_flat`."""
    ch, cw = (height + 1) // 2, (width + 1) // 2
    for f in range(FEATURES):
        for j in range(grids):
            weight = w[f * grids + j]
            total = np.float64(0)
            for r in range(height):
                o = (f * height + r) * width
                a = at + (j * height + r) * width
                line, y, g_y = g[o : o + width], flat[a : a + width], g_flat[a : a + width]
                dot = ZERO
                for q in range(width):
                    dot += line[q] * y[q]
                    g_y[q] += weight * line[q]
                total += np.float64(dot)
            g_w[f * grids + j] = total
        for r in range(0, height, 2):
            c = (f * ch + r // 2) * cw
            a = (f * height + r) * width
            b = a + width if r + 1 < height else a
            share = ONE if r + 1 < height else HALF
            gather_two(g[a : a + width], g[b : b + width], share, g_coarser[c : c + cw])
