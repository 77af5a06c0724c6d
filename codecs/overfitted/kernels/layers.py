"""Linear layers on tiles: rows of TILE numbers of one flat array, a row a channel.

Sizes and places are constants of the compiled code: loops over channels are unrolled, those over positions vectorized.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import LANES, TILE, Array, inlined

Kernel: TypeAlias = Callable[[Array, Array], None]
ZERO = np.float32(0)


def places(*sizes: int) -> tuple[int, ...]:
    """Return where parts of these sizes begin, one behind the other, and where the last one ends.

    >>> places(3, 1, 4)
    (0, 3, 4, 8)
    """
    return tuple(accumulate(sizes, initial=0))


def layer(outs: int, ins: int, source: int, target: int) -> Kernel:
    """Return f(w, rows): rows[target + o] = Σ w[o, i] rows[source + i]; `outs` is even."""

    @inlined
    def as_it_is(value: np.float32, _rows: Array, _place: int) -> np.float32:
        return value

    return _layer(outs, ins, source, target, as_it_is)


def relu_layer(outs: int, ins: int, source: int, target: int) -> Kernel:
    """Return f(w, rows): rows[target + o] = max(0, Σ w[o, i] rows[source + i])."""

    @inlined
    def positive(value: np.float32, _rows: Array, _place: int) -> np.float32:
        return max(value, ZERO)

    return _layer(outs, ins, source, target, positive)


def masked_layer(outs: int, ins: int, source: int, target: int, mask: int) -> Kernel:
    """Return f(w, rows): rows[target + o] = Σ w[o, i] rows[source + i] where rows[mask + o] > 0, else 0."""
    m = mask * TILE

    @inlined
    def where_seen(value: np.float32, rows: Array, place: int) -> np.float32:
        return value if rows[m + place] > ZERO else ZERO

    return _layer(outs, ins, source, target, where_seen)


def _layer(
    outs: int, ins: int, source: int, target: int, finish: Callable[[np.float32, Array, int], np.float32]
) -> Kernel:
    """Return f(w, rows): rows[target + o] = finish(Σ w[o, i] rows[source + i], rows, place of the number in row o)."""
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
                rows[t + o * TILE + p] = finish(a, rows, o * TILE + p)
                rows[t + o * TILE + TILE + p] = finish(b, rows, o * TILE + TILE + p)

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
