"""Linear layers on tiles: rows of TILE numbers of one flat array, a row a channel.

Sizes and places are constants of the compiled code: loops over channels are unrolled, those over positions vectorized.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import LANES, TILE, Array, inlined

Kernel: TypeAlias = Callable[[Array, Array], None]
ZERO = np.float32(0)


def layer(outs: int, ins: int, source: int, target: int) -> Kernel:
    """Return f(w, rows): rows[target + o] = Σ w[o, i] rows[source + i]; `outs` is even."""
    s, t = source * TILE, target * TILE

    @inlined
    def run(w: Array, rows: Array) -> None:
        for o in range(0, outs, 2):
            for p in range(TILE):
                a = ZERO
                b = ZERO
                for i in range(ins):
                    x = rows[s + i * TILE + p]
                    a += w[o * ins + i] * x
                    b += w[o * ins + ins + i] * x
                rows[t + o * TILE + p] = a
                rows[t + o * TILE + TILE + p] = b

    return run


def relu_layer(outs: int, ins: int, source: int, target: int) -> Kernel:
    """Return f(w, rows): rows[target + o] = max(0, Σ w[o, i] rows[source + i])."""
    s, t = source * TILE, target * TILE

    @inlined
    def run(w: Array, rows: Array) -> None:
        for o in range(0, outs, 2):
            for p in range(TILE):
                a = ZERO
                b = ZERO
                for i in range(ins):
                    x = rows[s + i * TILE + p]
                    a += w[o * ins + i] * x
                    b += w[o * ins + ins + i] * x
                rows[t + o * TILE + p] = max(a, ZERO)
                rows[t + o * TILE + TILE + p] = max(b, ZERO)

    return run


def masked_layer(outs: int, ins: int, source: int, target: int, mask: int) -> Kernel:
    """Return f(w, rows): rows[target + o] = Σ w[o, i] rows[source + i] where rows[mask + o] > 0, else 0."""
    s, t, m = source * TILE, target * TILE, mask * TILE

    @inlined
    def run(w: Array, rows: Array) -> None:
        for o in range(0, outs, 2):
            for p in range(TILE):
                a = ZERO
                b = ZERO
                for i in range(ins):
                    x = rows[s + i * TILE + p]
                    a += w[o * ins + i] * x
                    b += w[o * ins + ins + i] * x
                rows[t + o * TILE + p] = a if rows[m + o * TILE + p] > ZERO else ZERO
                rows[t + o * TILE + TILE + p] = b if rows[m + o * TILE + TILE + p] > ZERO else ZERO

    return run


def outer(outs: int, ins: int, grads: int, source: int, at: int) -> Kernel:
    """Return f(rows, sums): sums[at + (o · ins + i), lane] += Σ rows[grads + o] rows[source + i]; even numbers."""
    g, s, steps = grads * TILE, source * TILE, TILE // LANES

    @inlined
    def run(rows: Array, sums: Array) -> None:
        for o in range(0, outs, 2):
            for i in range(0, ins, 2):
                k = (at + o * ins + i) * LANES
                for lane in range(LANES):
                    a = ZERO
                    b = ZERO
                    c = ZERO
                    d = ZERO
                    for q in range(steps):
                        x = rows[g + o * TILE + q * LANES + lane]
                        y = rows[g + o * TILE + TILE + q * LANES + lane]
                        u = rows[s + i * TILE + q * LANES + lane]
                        v = rows[s + i * TILE + TILE + q * LANES + lane]
                        a += x * u
                        b += x * v
                        c += y * u
                        d += y * v
                    sums[k + lane] += a
                    sums[k + LANES + lane] += b
                    sums[k + ins * LANES + lane] += c
                    sums[k + ins * LANES + LANES + lane] += d

    return run
