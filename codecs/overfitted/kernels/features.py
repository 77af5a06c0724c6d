"""What coarser grids say to the context model: linear maps of their values, stage by stage, each repeated 2×2 times."""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import compiled
from isorate.codecs.overfitted.kernels.layers import ZERO
from isorate.codecs.overfitted.kernels.numerics import HALF, ONE
from isorate.codecs.overfitted.model.structure import FEATURES


@compiled
def say(coarser, flat, at, grids, height, width, w, out):
    """Put the features of the level above, repeated, plus w · (this level's `grids` from `at`) into `out`."""
    ch, cw = (height + 1) // 2, (width + 1) // 2
    for f in range(FEATURES):
        for r in range(height):
            c = (f * ch + r // 2) * cw
            o = (f * height + r) * width
            for q in range(width // 2):
                v = coarser[c + q]
                out[o + 2 * q] = v
                out[o + 2 * q + 1] = v
            if width % 2:
                out[o + width - 1] = coarser[c + cw - 1]
            for j in range(grids):
                weight = w[f * grids + j]
                y = at + (j * height + r) * width
                for q in range(width):
                    out[o + q] += weight * flat[y + q]


@compiled
def say_gradients(g, flat, at, grids, height, width, w, g_coarser, g_flat, g_w):
    """Put the gradients of :func:`say`'s `coarser` and `w` into `g_coarser` and `g_w`, add that of `flat` to `g_flat`."""
    ch, cw = (height + 1) // 2, (width + 1) // 2
    for f in range(FEATURES):
        for j in range(grids):
            weight = w[f * grids + j]
            total = 0.0
            for r in range(height):
                o = (f * height + r) * width
                y = at + (j * height + r) * width
                dot = ZERO
                for q in range(width):
                    dot += g[o + q] * flat[y + q]
                    g_flat[y + q] += weight * g[o + q]
                total += dot
            g_w[f * grids + j] = total
        for r in range(0, height, 2):
            c = (f * ch + r // 2) * cw
            a = (f * height + r) * width
            b = a + width if r + 1 < height else a
            share = ONE if r + 1 < height else HALF
            for q in range(width // 2):
                g_coarser[c + q] = (g[a + 2 * q] + g[a + 2 * q + 1] + g[b + 2 * q] + g[b + 2 * q + 1]) * share
            if width % 2:
                g_coarser[c + cw - 1] = (g[a + width - 1] + g[b + width - 1]) * share
