"""The synthesis: 1×1 layers, and 3×3 layers as windows of shifted slices.

Everything lies in planes: rows of the picture with two more numbers each, so that a position's neighbours are constant
distances away and tiles run across rows; what stands between the rows is the repeated edge, or zeros for gradients. A
plane begins at `base` and has room around it for what the windows of the first and last position reach.
"""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import TILE, Array, Offsets, compiled, inlined
from isorate.codecs.overfitted.kernels.layers import ZERO, layer, masked_layer, outer, places, relu_layer
from isorate.codecs.overfitted.kernels.numerics import ONE
from isorate.codecs.overfitted.model.structure import HIDDEN, LEVELS
from isorate.codecs.overfitted.model.synthesis import COLOURS, TAPS

S, HID, ONES, LEAVE, LINEAR, G_LEAVE, G_LINEAR, G_HID, G_S, POINT_ROWS = places(
    LEVELS + 1, HIDDEN, 2, 4, 4, 4, 4, HIDDEN, LEVELS + 1
)
"""Rows of a tile of the 1×1 layers; colours take four, so that numbers of rows are even."""
W_ENTER, W_LINEAR, W_LEAVE, B_LEAVE, B_FIRST, W_END = places(
    HIDDEN * (LEVELS + 1), 4 * (LEVELS + 1), 4 * (HIDDEN + 2), HIDDEN * 4, (LEVELS + 1) * (4 + HIDDEN)
)
"""Layers and their transposes, as :func:`~isorate.codecs.overfitted.kernels.weights.synthesis_weights` packs them."""
enter = relu_layer(HIDDEN, LEVELS + 1, S, HID)
leave = layer(4, HIDDEN + 2, HID, LEAVE)
linear = layer(4, LEVELS + 1, S, LINEAR)
back_leave = masked_layer(HIDDEN, 4, G_LEAVE, G_HID, HID)
back_first = layer(LEVELS + 1, 4 + HIDDEN, G_LINEAR, G_S)
OF_LEAVE, OF_FIRST, POINT_SUMS = places(4 * (HIDDEN + 2), (4 + HIDDEN) * (LEVELS + 1))
outer_leave = outer(4, HIDDEN + 2, G_LEAVE, HID, OF_LEAVE)
outer_first = outer(4 + HIDDEN, LEVELS + 1, G_LINEAR, S, OF_FIRST)

WINDOWS = COLOURS * TAPS
WINDOW, FOUND, G, CONV_ROWS = places(WINDOWS + 1, 4, 4)
convolve = layer(4, WINDOWS + 1, WINDOW, FOUND)
CONV_SUMS = 4 * (WINDOWS + 1)
outer_windows = outer(4, WINDOWS + 1, G, WINDOW, 0)


@inlined
def load(rows: Array, row: int, planes: Array, plane: int, place: int, count: int) -> None:
    for c in range(count):
        part = planes[c * plane + place : c * plane + place + TILE]
        for p in range(TILE):
            rows[(row + c) * TILE + p] = part[p]


@inlined
def store(rows: Array, row: int, planes: Array, plane: int, place: int, count: int) -> None:
    for c in range(count):
        part = planes[c * plane + place : c * plane + place + TILE]
        for p in range(TILE):
            part[p] = rows[(row + c) * TILE + p]


@compiled
def pointwise(
    stack: Array, x: Array, straight: Array, plane: int, base: int, first_tile: int, last_tile: int, w: Array
) -> None:
    """Put leave(relu(enter(stack))) into `x` and linear(stack) into `straight`."""
    rows = np.zeros(POINT_ROWS * TILE, np.float32)
    rows[(S + LEVELS) * TILE : (S + LEVELS + 1) * TILE] = ONE
    rows[ONES * TILE : (ONES + 1) * TILE] = ONE
    w_enter, w_linear, w_leave = w[W_ENTER:W_LINEAR], w[W_LINEAR:W_LEAVE], w[W_LEAVE:B_LEAVE]
    for tile in range(first_tile, last_tile):
        at = base + tile * TILE
        load(rows, S, stack, plane, at, LEVELS)
        enter(w_enter, rows)
        leave(w_leave, rows)
        linear(w_linear, rows)
        store(rows, LEAVE, x, plane, at, COLOURS)
        store(rows, LINEAR, straight, plane, at, COLOURS)


@compiled
def pointwise_gradients(
    stack: Array,
    g_x: Array,
    g_straight: Array,
    g_stack: Array,
    plane: int,
    base: int,
    tiles: int,
    chunk: int,
    first_chunk: int,
    last_chunk: int,
    w: Array,
    sums: Array,
) -> None:
    rows = np.zeros(POINT_ROWS * TILE, np.float32)
    rows[(S + LEVELS) * TILE : (S + LEVELS + 1) * TILE] = ONE
    rows[ONES * TILE : (ONES + 1) * TILE] = ONE
    w_enter, b_leave, b_first = w[W_ENTER:W_LINEAR], w[B_LEAVE:B_FIRST], w[B_FIRST:W_END]
    for k in range(first_chunk, last_chunk):
        acc = sums[k]
        for tile in range(k * chunk, min((k + 1) * chunk, tiles)):
            at = base + tile * TILE
            load(rows, S, stack, plane, at, LEVELS)
            load(rows, G_LEAVE, g_x, plane, at, COLOURS)
            load(rows, G_LINEAR, g_straight, plane, at, COLOURS)
            enter(w_enter, rows)
            back_leave(b_leave, rows)
            outer_leave(rows, acc)
            outer_first(rows, acc)
            back_first(b_first, rows)
            store(rows, G_S, g_stack, plane, at, LEVELS)


@inlined
def windows(rows: Array, x: Array, at: int, offsets: Offsets) -> None:
    for i in range(offsets.size):
        part = x[at + offsets[i] : at + offsets[i] + TILE]
        for p in range(TILE):
            rows[(WINDOW + i) * TILE + p] = part[p]


@compiled
def edges(x: Array, plane: int, base: int, height: int, width: int) -> None:
    """Repeat the edges of planes around them."""
    pitch = width + 2
    for c in range(COLOURS):
        b = c * plane + base
        for r in range(height):
            x[b + r * pitch - 1] = x[b + r * pitch]
            x[b + r * pitch + width] = x[b + r * pitch + width - 1]
        for q in range(-1, width + 1):
            x[b - pitch + q] = x[b + q]
            x[b + height * pitch + q] = x[b + (height - 1) * pitch + q]


@compiled
def residual(
    x: Array, out: Array, plane: int, base: int, offsets: Offsets, first_tile: int, last_tile: int, w: Array
) -> None:
    """Put relu(x + conv(x)) into `out`."""
    rows = np.zeros(CONV_ROWS * TILE, np.float32)
    rows[(WINDOW + WINDOWS) * TILE : (WINDOW + WINDOWS + 1) * TILE] = ONE
    for tile in range(first_tile, last_tile):
        at = base + tile * TILE
        windows(rows, x, at, offsets)
        convolve(w, rows)
        for c in range(COLOURS):
            o = c * plane + at
            to, seen = out[o : o + TILE], x[o : o + TILE]
            for p in range(TILE):
                to[p] = max(rows[(FOUND + c) * TILE + p] + seen[p], ZERO)


@compiled
def picture(
    x: Array, straight: Array, plane: int, base: int, offsets: Offsets, first_tile: int, last_tile: int, w: Array
) -> None:
    """Add x + conv(x) to `straight`."""
    rows = np.zeros(CONV_ROWS * TILE, np.float32)
    rows[(WINDOW + WINDOWS) * TILE : (WINDOW + WINDOWS + 1) * TILE] = ONE
    for tile in range(first_tile, last_tile):
        at = base + tile * TILE
        windows(rows, x, at, offsets)
        convolve(w, rows)
        for c in range(COLOURS):
            o = c * plane + at
            to, seen = straight[o : o + TILE], x[o : o + TILE]
            for p in range(TILE):
                to[p] += rows[(FOUND + c) * TILE + p] + seen[p]


@compiled
def squares(
    out: Array,
    image: Array,
    plane: int,
    base: int,
    height: int,
    width: int,
    scale: np.float32,
) -> float:
    """Turn `out` into scale · (out - image) and return the sum of squares before scaling; `image` is (3, H, W)."""
    pitch = width + 2
    total = np.float64(0)
    for c in range(COLOURS):
        for r in range(height):
            at = c * plane + base + r * pitch
            there = (c * height + r) * width
            line, wanted = out[at : at + width], image[there : there + width]
            here = ZERO
            for q in range(width):
                d = line[q] - wanted[q]
                here += d * d
                line[q] = d * scale
            total += np.float64(here)
    return total


@compiled
def clear(g: Array, plane: int, base: int, height: int, width: int) -> None:
    """Put zeros around the rows of planes."""
    pitch = width + 2
    for c in range(COLOURS):
        b = c * plane
        g[b : b + base] = ZERO
        for r in range(height):
            at = b + base + r * pitch + width
            g[at] = ZERO
            g[at + 1] = ZERO
        g[b + base + height * pitch : b + plane] = ZERO


@compiled
def kernel_gradients(
    x: Array,
    g: Array,
    plane: int,
    base: int,
    offsets: Offsets,
    tiles: int,
    chunk: int,
    first_chunk: int,
    last_chunk: int,
    sums: Array,
) -> None:
    """Add the gradients of a 3×3 layer's kernel and bias to `sums`."""
    rows = np.zeros(CONV_ROWS * TILE, np.float32)
    rows[(WINDOW + WINDOWS) * TILE : (WINDOW + WINDOWS + 1) * TILE] = ONE
    for k in range(first_chunk, last_chunk):
        acc = sums[k]
        for tile in range(k * chunk, min((k + 1) * chunk, tiles)):
            at = base + tile * TILE
            windows(rows, x, at, offsets)
            load(rows, G, g, plane, at, COLOURS)
            outer_windows(rows, acc)


@compiled
def mirrored(
    g: Array, out: Array, plane: int, start: int, offsets: Offsets, first_tile: int, last_tile: int, w: Array
) -> None:
    """Put the convolution of `g` with the mirrored kernel into `out`, which begins at `start`."""
    rows = np.zeros(CONV_ROWS * TILE, np.float32)
    for tile in range(first_tile, last_tile):
        at = start + tile * TILE
        windows(rows, g, at, offsets)
        convolve(w, rows)
        store(rows, FOUND, out, plane, at, COLOURS)


@compiled
def fold(
    whole: Array,
    g: Array,
    x: Array,
    plane: int,
    base: int,
    height: int,
    width: int,
    relu: bool,
) -> None:
    """Add the gradients of repeated edges to those of the edges, and g; with `relu`, only where x > 0."""
    pitch = width + 2
    for c in range(COLOURS):
        b = c * plane + base
        for r in range(height):
            at = b + r * pitch
            if r == 0:
                for q in range(-1, width + 1):
                    whole[at + q] += whole[at - pitch + q]
            if r == height - 1:
                for q in range(-1, width + 1):
                    whole[at + q] += whole[at + pitch + q]
            whole[at] += whole[at - 1]
            whole[at + width - 1] += whole[at + width]
            line, add, seen = whole[at : at + width], g[at : at + width], x[at : at + width]
            if relu:
                for q in range(width):
                    v = line[q] + add[q]
                    line[q] = v if seen[q] > ZERO else ZERO
            else:
                for q in range(width):
                    line[q] += add[q]
