"""The context model on a grid: its bits, and their gradients along with them.

The grid is flat, with LEFT zeros before each row and ABOVE rows of zeros above, so that a neighbour is a constant
distance away and tiles run across rows. Rows are cut into chunks that several threads can take; sums are kept for each
chunk, so that the result does not depend on their number.
"""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import TILE, Array, Offsets, Sums, compiled, inlined
from isorate.codecs.overfitted.kernels.features import gather_two, repeat
from isorate.codecs.overfitted.kernels.layers import ZERO, layer, masked_layer, outer, places, relu_layer
from isorate.codecs.overfitted.kernels.numerics import HALF, LN2, ONE, exp, log
from isorate.codecs.overfitted.model.context_model import (
    ABOVE,
    LEFT,
    LOG_SCALE_LIMIT,
    LOG_SCALE_SHIFT,
    ROWS,
    SMALLEST_MASS,
)
from isorate.codecs.overfitted.model.structure import CONTEXT, FEATURES, NEIGHBOURS

SEEN = len(NEIGHBOURS)
X, H1, H0, G0, OUT, G1, MASK, TILE_ROWS = places(ROWS, ROWS, ROWS, ROWS, 2, ROWS, 1)
"""Rows of a tile: context, the hidden layers, gradients; g of the context takes the place of H1."""
W0, W1, W2, B2, B1, B0, W_END = places(ROWS**2, ROWS**2, 4 * ROWS, 2 * ROWS, ROWS**2, ROWS * (ROWS + 2))
"""Layers and their transposes, as :func:`~isorate.codecs.overfitted.kernels.weights.arm_weights` packs them."""
first = relu_layer(ROWS, ROWS, X, H0)
second = relu_layer(ROWS, ROWS, H0, H1)
last = layer(2, 2 * ROWS, X, OUT)
back_last = masked_layer(ROWS, 2, OUT, G1, H1)
back_second = masked_layer(ROWS, ROWS, G1, G0, H0)
back_first = layer(ROWS, ROWS + 2, G0, H1)
OF_FIRST, OF_SECOND, OF_LAST, SUMS = places(ROWS**2, ROWS**2, 4 * ROWS)
outer_first = outer(ROWS, ROWS, G0, X, OF_FIRST)
outer_second = outer(ROWS, ROWS, G1, H0, OF_SECOND)
outer_last = outer(2, 2 * ROWS, OUT, X, OF_LAST)
SHIFT, LIMIT, SMALLEST = np.float32(LOG_SCALE_SHIFT), np.float32(LOG_SCALE_LIMIT), np.float32(SMALLEST_MASS)


@inlined
def laplace(rows: Array, x: Array, g_x: Array) -> np.float32:
    """Put the gradients in the place of mean and log-scale, add x's to `g_x`, and return the bits."""
    total = ZERO
    for p in range(TILE):
        inner = rows[MASK * TILE + p]
        distance = x[p] - rows[OUT * TILE + p]
        log_scale = rows[(OUT + 1) * TILE + p] - SHIFT
        inverse = exp(-min(max(log_scale, -LIMIT), LIMIT))
        size = abs(distance)
        far = (size + HALF) * inverse
        edge = (size - HALF) * inverse
        near = abs(edge)
        e_far, e_near = exp(-far), exp(-near)
        signed = -e_near if edge < ZERO else e_near
        mass = HALF * (signed - e_far) + (ONE if edge < ZERO else ZERO)
        held = mass > SMALLEST
        mass = max(mass, SMALLEST)
        total += log(mass) * inner
        common = -HALF / LN2 * inner / mass if held else ZERO
        slope = (e_far - e_near) * inverse * common
        slope = slope if distance > ZERO else -slope
        g_x[p] = slope
        rows[OUT * TILE + p] = -slope
        within = abs(log_scale) < LIMIT
        rows[(OUT + 1) * TILE + p] = (near * signed - far * e_far) * common if within else ZERO
    return -total / LN2


@inlined
def gather(rows: Array, grid: Array, start: int, offsets: Offsets, mask: Array, place: int, valid: int) -> None:
    for i in range(offsets.size):
        part = grid[start + offsets[i] : start + offsets[i] + TILE]
        for p in range(TILE):
            rows[(X + i) * TILE + p] = part[p]
    part = mask[place : place + TILE]
    for p in range(TILE):
        rows[MASK * TILE + p] = part[p] if p < valid else ZERO


@inlined
def scatter(rows: Array, local: Array, g_x: Array, place: int, offsets: Offsets) -> None:
    part = local[place : place + TILE]
    for p in range(TILE):
        part[p] += g_x[p]
    for i in range(offsets.size):
        part = local[place + offsets[i] : place + offsets[i] + TILE]
        for p in range(TILE):
            part[p] += rows[(H1 + i) * TILE + p]


@inlined
def load_features(rows: Array, fine: Array, place: int, length: int) -> None:
    for f in range(fine.size // length):
        part = fine[f * length + place : f * length + place + TILE]
        for p in range(TILE):
            rows[(X + SEEN + f) * TILE + p] = part[p]


@inlined
def store_features(rows: Array, fine: Array, place: int, length: int) -> None:
    for f in range(fine.size // length):
        part = fine[f * length + place : f * length + place + TILE]
        for p in range(TILE):
            part[p] = rows[(H1 + SEEN + f) * TILE + p]


@inlined
def expand(coarse: Array, fine: Array, length: int, top: int, count: int, height: int, width: int) -> None:
    cw, ch = (width + 1) // 2, (height + 1) // 2
    for f in range(fine.size // length):
        for r in range(count):
            at = f * length + r * (width + LEFT) + LEFT
            c = (f * ch + (top + r) // 2) * cw
            repeat(coarse[c : c + cw], fine[at : at + width])


@inlined
def reduce(fine: Array, g_coarse: Array, length: int, top: int, count: int, height: int, width: int) -> None:
    cw, ch = (width + 1) // 2, (height + 1) // 2
    pitch = width + LEFT
    for f in range(fine.size // length):
        for r in range(0, count, 2):
            c = (f * ch + (top + r) // 2) * cw
            a = f * length + r * pitch + LEFT
            b = a + pitch if r + 1 < count else a
            share = ONE if r + 1 < count else HALF
            gather_two(fine[a : a + width], fine[b : b + width], share, g_coarse[c : c + cw])


@compiled
def arm(
    grid: Array,
    width: int,
    height: int,
    coarse: Array,
    offsets: Offsets,
    w: Array,
    chunk_rows: int,
    first_chunk: int,
    last_chunk: int,
    taken: Array,
    halo: Array,
    g_coarse: Array,
    sums: Array,
    bits: Sums,
    learn: bool,
) -> None:
    w0, w1, w2 = w[W0:W1], w[W1:W2], w[W2:B2]
    b2, b1, b0 = w[B2:B1], w[B1:B0], w[B0:W_END]
    pitch = width + LEFT
    length = chunk_rows * pitch + TILE
    rows = np.zeros(TILE_ROWS * TILE, np.float32)
    g_x = np.empty(TILE, np.float32)
    local = np.empty(length + ABOVE * pitch, np.float32)
    mask = np.zeros(length, np.float32)
    for r in range(chunk_rows):
        mask[r * pitch + LEFT : (r + 1) * pitch] = ONE
    fine = np.zeros(FEATURES * length if coarse.size > 0 else 0, np.float32)
    rows[(X + CONTEXT) * TILE : (X + CONTEXT + 1) * TILE] = ONE
    for chunk in range(first_chunk, last_chunk):
        top = chunk * chunk_rows
        count = min(chunk_rows, height - top)
        n = count * pitch
        start = (top + ABOVE) * pitch
        local[:] = ZERO
        expand(coarse, fine, length, top, count, height, width)
        acc = sums[chunk]
        total = np.float64(0)
        for t in range(0, n, TILE):
            gather(rows, grid, start + t, offsets, mask, t, n - t)
            load_features(rows, fine, t, length)
            first(w0, rows)
            second(w1, rows)
            last(w2, rows)
            total += np.float64(laplace(rows, grid[start + t : start + t + TILE], g_x))
            if learn:
                back_last(b2, rows)
                outer_last(rows, acc)
                back_second(b1, rows)
                outer_second(rows, acc)
                outer_first(rows, acc)
                back_first(b0, rows)
                scatter(rows, local, g_x, ABOVE * pitch + t, offsets)
                store_features(rows, fine, t, length)
        bits[chunk] = total
        if learn:
            for r in range(count):
                at = (ABOVE + r) * pitch + LEFT
                taken[(top + r) * width : (top + r + 1) * width] = local[at : at + width]
            for r in range(ABOVE):
                at = r * pitch + LEFT
                to = (chunk * ABOVE + r) * width
                halo[to : to + width] = local[at : at + width]
            reduce(fine, g_coarse, length, top, count, height, width)
