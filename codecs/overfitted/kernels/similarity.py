"""MS-SSIM (Wang, Simoncelli & Bovik 2003) of one channel at one scale, and its gradient, by rows.

Planes are flat, rows of `w` numbers. Moments are taken with the Gaussian window of 11 where it fits ("valid"), so maps
are 10 rows and columns smaller. With m, q and r the windows' means of y, y² and xy, where x is the original,

    cs = (2 (r - μx m) + C2) / (σx² + q - m² + C2),    ssim = cs · (2 μx m + C1) / (μx² + m² + C1).
"""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import Array, Offsets, compiled, inlined
from isorate.codecs.overfitted.kernels.layers import ZERO
from isorate.codecs.overfitted.kernels.numerics import ONE, TWO

TAPS, MARGIN = 11, 10
SIGMA = 1.5
C1, C2 = np.float32(0.01**2), np.float32(0.03**2)
"""For colours in 0..1."""
QUARTER = np.float32(0.25)


def window() -> Array:
    """Return the outer half of the window and its middle, (6,)."""
    taps = np.exp(-((np.arange(TAPS) - TAPS // 2) ** 2) / (2 * SIGMA**2))
    half: Array = (taps / taps.sum())[: TAPS // 2 + 1].astype(np.float32)
    return half


@inlined
def eleven(
    a: Array, b: Array, c: Array, d: Array, e: Array, f: Array, g: Array, h: Array, i: Array, j: Array, k: Array,
    half: Array, out: Array,
) -> None:  # fmt: skip
    """Put the window over eleven rows into `out`."""
    w0, w1, w2, w3, w4, w5 = half[0], half[1], half[2], half[3], half[4], half[5]
    for p in range(out.size):
        far = w0 * (a[p] + k[p]) + w1 * (b[p] + j[p]) + w2 * (c[p] + i[p])
        out[p] = far + w3 * (d[p] + h[p]) + w4 * (e[p] + g[p]) + w5 * f[p]


@inlined
def along(line: Array, n: int, half: Array, out: Array) -> None:
    """Put the window along a line of n + 10 into `out`."""
    eleven(
        line[0:n], line[1 : n + 1], line[2 : n + 2], line[3 : n + 3], line[4 : n + 4], line[5 : n + 5],
        line[6 : n + 6], line[7 : n + 7], line[8 : n + 8], line[9 : n + 9], line[10 : n + 10], half, out,
    )  # fmt: skip


@inlined
def across(rows: Array, at: Offsets, n: int, half: Array, out: Array) -> None:
    """Put the window over the rows of `n` that begin at the eleven places `at` into `out`."""
    a, b, c, d, e, f, g, h, i, j, k = at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8], at[9], at[10]
    eleven(
        rows[a : a + n], rows[b : b + n], rows[c : c + n], rows[d : d + n], rows[e : e + n], rows[f : f + n],
        rows[g : g + n], rows[h : h + n], rows[i : i + n], rows[j : j + n], rows[k : k + n], half, out,
    )  # fmt: skip


@compiled
def moments(x: Array, y: Array, h: int, w: int, half: Array, m: Array, q: Array, r: Array) -> None:
    """Put the means of y, y² and xy into `m`, `q` and `r`."""
    n = w - MARGIN
    product = np.empty(w, np.float32)
    rings = np.empty((3, TAPS * n), np.float32)
    at = np.empty(TAPS, np.int64)
    for row in range(h):
        here = (row % TAPS) * n
        ys, xs = y[row * w : row * w + w], x[row * w : row * w + w]
        along(ys, n, half, rings[0, here : here + n])
        for p in range(w):
            product[p] = ys[p] * ys[p]
        along(product, n, half, rings[1, here : here + n])
        for p in range(w):
            product[p] = ys[p] * xs[p]
        along(product, n, half, rings[2, here : here + n])
        if row >= MARGIN:
            for tap in range(TAPS):
                at[tap] = ((row + 1 + tap) % TAPS) * n
            to = (row - MARGIN) * n
            across(rings[0], at, n, half, m[to : to + n])
            across(rings[1], at, n, half, q[to : to + n])
            across(rings[2], at, n, half, r[to : to + n])


@compiled
def similarity(mean: Array, variance: Array, m: Array, q: Array, r: Array, rows: int, n: int, whole: bool) -> float:
    """Return the mean of cs, or with `whole` of ssim; moments become its gradients by them, times the positions.

    `mean` and `variance` are the original's.
    """
    total = np.float64(0)
    for row in range(rows):
        part = slice(row * n, row * n + n)
        mu, var, ms, qs, rs = mean[part], variance[part], m[part], q[part], r[part]
        here = ZERO
        for p in range(n):
            a = mu[p]
            b = ms[p]
            top = TWO * (rs[p] - a * b) + C2
            under = ONE / (var[p] + qs[p] - b * b + C2)
            cs = top * under
            by_r, by_q = TWO * under, -cs * under
            by_m = -a * by_r - TWO * b * by_q
            if whole:
                light = TWO * a * b + C1
                power = ONE / (a * a + b * b + C1)
                share = light * power
                here += cs * share
                ms[p] = by_m * share + cs * TWO * (a - share * b) * power
                qs[p] = by_q * share
                rs[p] = by_r * share
            else:
                here += cs
                ms[p] = by_m
                qs[p] = by_q
                rs[p] = by_r
        total += np.float64(here)
    return total / (rows * n)


@compiled
def gradients(
    x: Array, y: Array, h: int, w: int, half: Array, m: Array, q: Array, r: Array, factor: np.float32, out: Array
) -> None:
    """Add `factor` times the gradient by y to `out`; `m`, `q` and `r` are the gradients by the moments.

    Each has one more row, of zeros.
    """
    n = w - MARGIN
    rows = h - MARGIN
    wide = np.zeros((3, n + 2 * MARGIN), np.float32)
    found = np.empty((3, w), np.float32)
    at = np.empty(TAPS, np.int64)
    for row in range(h):
        for tap in range(TAPS):
            seen = row - MARGIN + tap
            at[tap] = (seen if 0 <= seen < rows else rows) * n
        across(m, at, n, half, wide[0, MARGIN : MARGIN + n])
        across(q, at, n, half, wide[1, MARGIN : MARGIN + n])
        across(r, at, n, half, wide[2, MARGIN : MARGIN + n])
        for part in range(3):
            along(wide[part], w, half, found[part])
        ys, xs, to = y[row * w : row * w + w], x[row * w : row * w + w], out[row * w : row * w + w]
        one, two, three = found[0], found[1], found[2]
        for p in range(w):
            to[p] += factor * (one[p] + TWO * ys[p] * two[p] + xs[p] * three[p])


@compiled
def halve(y: Array, h: int, w: int, out: Array, half_h: int, half_w: int) -> None:
    """Put means of 2×2 into `out`; an odd side has a line of zeros before its first."""
    top, left = h % 2, w % 2
    for row in range(half_h):
        to = out[row * half_w : row * half_w + half_w]
        last = 2 * row - top + 1
        b = y[last * w : last * w + w]
        a = b if last == 0 else y[(last - 1) * w : (last - 1) * w + w]
        share = ZERO if last == 0 else ONE
        if left:
            to[0] = QUARTER * (b[0] + share * a[0])
        for p in range(left, half_w):
            k = 2 * p - left
            to[p] = QUARTER * (b[k] + b[k + 1] + share * (a[k] + a[k + 1]))


@compiled
def double(g: Array, half_h: int, half_w: int, out: Array, h: int, w: int) -> None:
    """Put the gradient of :func:`halve` into `out`."""
    top, left = h % 2, w % 2
    for row in range(h):
        at = (row + top) // 2 * half_w
        given, to = g[at : at + half_w], out[row * w : row * w + w]
        if left:
            to[0] = QUARTER * given[0]
        for p in range(left, half_w):
            k = 2 * p - left
            v = QUARTER * given[p]
            to[k] = v
            to[k + 1] = v
