"""1 - MS-SSIM of a picture and its gradient, on a CPU."""

import numpy as np

from isorate.codecs.overfitted.kernels import similarity
from isorate.codecs.overfitted.kernels.compiled import Array
from isorate.codecs.overfitted.kernels.similarity import MARGIN
from isorate.codecs.overfitted.kernels.workers import spread

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales, fine to coarse (Wang, Simoncelli & Bovik 2003)."""
LEAST = 1e-6
"""A scale below it, where nothing is alike, counts as this, and moves nothing."""


class _Scale:
    """The original at one scale, (3, h · w), and memory for the picture's moments."""

    def __init__(self, x: Array, h: int, w: int, half: Array) -> None:
        self.x, self.h, self.w = x, h, w
        self.rows, self.n = h - MARGIN, w - MARGIN
        size = self.rows * self.n
        self.mean, self.variance = (np.empty((3, size), np.float32) for _ in range(2))
        for c in range(3):
            again = np.empty(size, np.float32)
            similarity.moments(x[c], x[c], h, w, half, self.mean[c], self.variance[c], again)
            self.variance[c] -= self.mean[c] ** 2
        self.maps = np.zeros((3, 3, size + self.n), np.float32)
        self.y, self.g = np.empty_like(x), np.empty_like(x)


class Structure:
    """1 - MS-SSIM against one picture; its memory serves every call, so one thread may use it at a time.

    Parameters
    ----------
    image
        (3, H, W), float32, 0..1, both sides above 160.
    """

    def __init__(self, image: Array) -> None:
        self.half = similarity.window()
        _, h, w = image.shape
        x = np.ascontiguousarray(image.reshape(3, -1))
        self.scales = [_Scale(x, h, w, self.half)]
        for _ in WEIGHTS[1:]:
            before = self.scales[-1]
            h, w = (before.h + 1) // 2, (before.w + 1) // 2
            x = np.empty((3, h * w), np.float32)
            for c in range(3):
                similarity.halve(before.x[c], before.h, before.w, x[c], h, w)
            self.scales.append(_Scale(x, h, w, self.half))

    def loss(self, picture: Array, gradient: bool) -> tuple[float, Array | None]:
        """Return 1 - MS-SSIM of `picture`, (3, H, W), and with `gradient` the gradient: a view until the next call."""
        self.scales[0].y[:] = picture.reshape(3, -1)
        values = np.empty(3)

        def run(first: int, end: int) -> None:
            for c in range(first, end):
                values[c] = self._channel(c, gradient)

        spread(run, 3)
        return 1 - float(values.mean()), self.scales[0].g.reshape(picture.shape) if gradient else None

    def _channel(self, c: int, gradient: bool) -> float:
        found = np.empty(len(WEIGHTS))
        for level, s in enumerate(self.scales):
            m, q, r = (s.maps[part, c] for part in range(3))
            similarity.moments(s.x[c], s.y[c], s.h, s.w, self.half, m, q, r)
            last = level == len(WEIGHTS) - 1
            found[level] = similarity.similarity(s.mean[c], s.variance[c], m, q, r, s.rows, s.n, last)
            if not last:
                coarser = self.scales[level + 1]
                similarity.halve(s.y[c], s.h, s.w, coarser.y[c], coarser.h, coarser.w)
        value = float(np.prod(found.clip(LEAST) ** WEIGHTS))
        if gradient:
            for level in reversed(range(len(WEIGHTS))):
                s = self.scales[level]
                if level == len(WEIGHTS) - 1:
                    s.g[c] = 0
                else:
                    coarser = self.scales[level + 1]
                    similarity.double(coarser.g[c], coarser.h, coarser.w, s.g[c], s.h, s.w)
                if found[level] > LEAST:
                    factor = np.float32(-value * WEIGHTS[level] / found[level] / (3 * s.rows * s.n))
                    m, q, r = (s.maps[part, c] for part in range(3))
                    similarity.gradients(s.x[c], s.y[c], s.h, s.w, self.half, m, q, r, factor, s.g[c])
        return value
