"""Upsampling by rows: ×2 with a symmetric kernel of 8, and the symmetric kernel of 7 for the grid that joins.

Channels lie in planes; `at` is where the first begins, `plane` and `pitch` the distances of channels and rows.
"""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import Array, Sums, compiled, inlined
from isorate.codecs.overfitted.kernels.layers import ZERO


@inlined
def two_lines(x: Array, a0: int, a1: int, a2: int, a3: int, a4: int, n: int, k: Array, lines: Array) -> None:
    """Put the two rows between five rows of `x` into `lines`, their ends repeated."""
    k0, k1, k2, k3 = k[0], k[1], k[2], k[3]
    m = n + 4
    x0, x1, x2, x3, x4 = x[a0 : a0 + n], x[a1 : a1 + n], x[a2 : a2 + n], x[a3 : a3 + n], x[a4 : a4 + n]
    even, odd = lines[2 : 2 + n], lines[m + 2 : m + 2 + n]
    for q in range(n):
        u, v, w = x1[q], x2[q], x3[q]
        even[q] = k0 * x0[q] + k1 * u + k2 * v + k3 * w
        odd[q] = k3 * u + k2 * v + k1 * w + k0 * x4[q]
    for b in (0, m):
        lines[b] = lines[b + 2]
        lines[b + 1] = lines[b + 2]
        lines[b + m - 2] = lines[b + m - 3]
        lines[b + m - 1] = lines[b + m - 3]


@compiled
def double(
    x: Array,
    at: int,
    plane: int,
    pitch: int,
    h: int,
    w: int,
    out: Array,
    out_at: int,
    out_plane: int,
    out_pitch: int,
    height: int,
    width: int,
    k: Array,
    first: int,
    last: int,
) -> None:
    k0, k1, k2, k3 = k[0], k[1], k[2], k[3]
    lines = np.empty(2 * (w + 4), np.float32)
    for c in range(first, last):
        b = at + c * plane
        for r in range(h):
            a0, a1, a2 = b + max(r - 2, 0) * pitch, b + max(r - 1, 0) * pitch, b + r * pitch
            a3, a4 = b + min(r + 1, h - 1) * pitch, b + min(r + 2, h - 1) * pitch
            two_lines(x, a0, a1, a2, a3, a4, w, k, lines)
            for phase in range(min(2, height - 2 * r)):
                o = out_at + c * out_plane + (2 * r + phase) * out_pitch
                v = lines[phase * (w + 4) : (phase + 1) * (w + 4)]
                line = out[o : o + width]
                for q in range(width // 2):
                    m1, m2, m3 = v[q + 1], v[q + 2], v[q + 3]
                    line[2 * q] = k0 * v[q] + k1 * m1 + k2 * m2 + k3 * m3
                    line[2 * q + 1] = k3 * m1 + k2 * m2 + k1 * m3 + k0 * v[q + 4]
                if width % 2:
                    q = width // 2
                    line[2 * q] = k0 * v[q] + k1 * v[q + 1] + k2 * v[q + 2] + k3 * v[q + 3]


@inlined
def add_row(g_x: Array, x: Array, a: int, g: Array, n: int, weight: np.float32) -> np.float32:
    to, seen = g_x[a : a + n], x[a : a + n]
    dot = ZERO
    for q in range(n):
        to[q] += weight * g[q]
        dot += g[q] * seen[q]
    return dot


@compiled
def double_gradients(
    x: Array,
    g_x: Array,
    at: int,
    plane: int,
    pitch: int,
    h: int,
    w: int,
    g: Array,
    g_at: int,
    g_plane: int,
    g_pitch: int,
    height: int,
    width: int,
    k: Array,
    first: int,
    last: int,
    sums: Sums,
) -> None:
    k0, k1, k2, k3 = k[0], k[1], k[2], k[3]
    m = w + 4
    lines = np.empty(2 * m, np.float32)
    even, odd = np.zeros(w + 8, np.float32), np.zeros(w + 8, np.float32)
    wide, line = np.empty(m, np.float32), np.empty(w, np.float32)
    for c in range(first, last):
        b = at + c * plane
        sums[c, :] = 0
        for r in range(h):
            g_x[b + r * pitch : b + r * pitch + w] = ZERO
        for r in range(h):
            a0, a1, a2 = b + max(r - 2, 0) * pitch, b + max(r - 1, 0) * pitch, b + r * pitch
            a3, a4 = b + min(r + 1, h - 1) * pitch, b + min(r + 2, h - 1) * pitch
            two_lines(x, a0, a1, a2, a3, a4, w, k, lines)
            for phase in range(min(2, height - 2 * r)):
                o = g_at + c * g_plane + (2 * r + phase) * g_pitch
                given = g[o : o + width]
                for q in range(width // 2):
                    even[4 + q] = given[2 * q]
                    odd[4 + q] = given[2 * q + 1]
                if width % 2:
                    even[4 + width // 2] = given[width - 1]
                v = lines[phase * m : (phase + 1) * m]
                d0 = d1 = d2 = d3 = ZERO
                for q in range(w):
                    e, f = even[4 + q], odd[4 + q]
                    d0 += e * v[q] + f * v[q + 4]
                    d1 += e * v[q + 1] + f * v[q + 3]
                    d2 += (e + f) * v[q + 2]
                    d3 += e * v[q + 3] + f * v[q + 1]
                for q in range(m):
                    wide[q] = (
                        k0 * (even[4 + q] + odd[q])
                        + k1 * (even[3 + q] + odd[1 + q])
                        + k2 * (even[2 + q] + odd[2 + q])
                        + k3 * (even[1 + q] + odd[3 + q])
                    )
                for q in range(w):
                    line[q] = wide[q + 2]
                line[0] += wide[0] + wide[1]
                line[w - 1] += wide[m - 2] + wide[m - 1]
                if phase == 0:
                    d0 += add_row(g_x, x, a0, line, w, k0)
                    d1 += add_row(g_x, x, a1, line, w, k1)
                    d2 += add_row(g_x, x, a2, line, w, k2)
                    d3 += add_row(g_x, x, a3, line, w, k3)
                else:
                    d3 += add_row(g_x, x, a1, line, w, k3)
                    d2 += add_row(g_x, x, a2, line, w, k2)
                    d1 += add_row(g_x, x, a3, line, w, k1)
                    d0 += add_row(g_x, x, a4, line, w, k0)
                sums[c, 0] += d0
                sums[c, 1] += d1
                sums[c, 2] += d2
                sums[c, 3] += d3


@inlined
def row_of(y: Array, row: int, height: int, width: int, zeros: Array) -> Array:
    return y[row * width : (row + 1) * width] if 0 <= row < height else zeros


@inlined
def tall(y: Array, r: int, height: int, width: int, t: Array, zeros: Array, out: Array, at: int) -> None:
    """Put row r of `y` under the vertical kernel into `out`."""
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    a, b = row_of(y, r - 3, height, width, zeros), row_of(y, r + 3, height, width, zeros)
    c, d = row_of(y, r - 2, height, width, zeros), row_of(y, r + 2, height, width, zeros)
    e, f = row_of(y, r - 1, height, width, zeros), row_of(y, r + 1, height, width, zeros)
    g = row_of(y, r, height, width, zeros)
    to = out[at : at + width]
    for q in range(width):
        to[q] = t0 * (a[q] + b[q]) + t1 * (c[q] + d[q]) + t2 * (e[q] + f[q]) + t3 * g[q]


@compiled
def smooth(y: Array, height: int, width: int, out: Array, out_at: int, out_pitch: int, t: Array) -> None:
    """Put y plus itself under the separable kernel into rows of `out`."""
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    zeros = np.zeros(width, np.float32)
    v = np.zeros(width + 6, np.float32)
    for r in range(height):
        tall(y, r, height, width, t, zeros, v, 3)
        o = out_at + r * out_pitch
        line, here = out[o : o + width], y[r * width : (r + 1) * width]
        for q in range(width):
            line[q] = (
                here[q]
                + t0 * (v[q] + v[q + 6])
                + t1 * (v[q + 1] + v[q + 5])
                + t2 * (v[q + 2] + v[q + 4])
                + t3 * v[q + 3]
            )


@compiled
def smooth_gradients(
    y: Array, height: int, width: int, g: Array, g_at: int, g_pitch: int, t: Array, g_y: Array, sums: Sums
) -> None:
    t0, t1, t2, t3 = t[0], t[1], t[2], t[3]
    zeros = np.zeros(width, np.float32)
    v, u = np.zeros(width + 6, np.float32), np.zeros(width + 6, np.float32)
    wide = np.empty(height * width, np.float32)
    sums[:] = 0
    for r in range(height):
        tall(y, r, height, width, t, zeros, v, 3)
        o = g_at + r * g_pitch
        given, across, here = g[o : o + width], wide[r * width : (r + 1) * width], y[r * width : (r + 1) * width]
        d0 = d1 = d2 = d3 = ZERO
        for q in range(width):
            e = given[q]
            u[3 + q] = e
            d0 += e * (v[q] + v[q + 6])
            d1 += e * (v[q + 1] + v[q + 5])
            d2 += e * (v[q + 2] + v[q + 4])
            d3 += e * v[q + 3]
        for q in range(width):
            across[q] = t0 * (u[q] + u[q + 6]) + t1 * (u[q + 1] + u[q + 5]) + t2 * (u[q + 2] + u[q + 4]) + t3 * u[q + 3]
        a, b = row_of(y, r - 3, height, width, zeros), row_of(y, r + 3, height, width, zeros)
        c, d = row_of(y, r - 2, height, width, zeros), row_of(y, r + 2, height, width, zeros)
        f, h = row_of(y, r - 1, height, width, zeros), row_of(y, r + 1, height, width, zeros)
        for q in range(width):
            e = across[q]
            d0 += e * (a[q] + b[q])
            d1 += e * (c[q] + d[q])
            d2 += e * (f[q] + h[q])
            d3 += e * here[q]
        sums[0] += d0
        sums[1] += d1
        sums[2] += d2
        sums[3] += d3
    for r in range(height):
        tall(wide, r, height, width, t, zeros, v, 0)
        o = g_at + r * g_pitch
        given, found = g[o : o + width], g_y[r * width : (r + 1) * width]
        for q in range(width):
            found[q] = given[q] + v[q]
