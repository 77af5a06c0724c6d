"""A grid as the context model's kernel takes it, and what the kernel finds out about it."""

import numpy as np

from isorate.codecs.overfitted.kernels import context
from isorate.codecs.overfitted.kernels.compiled import LANES, TILE, Array
from isorate.codecs.overfitted.model.context_model import ABOVE, LEFT
from isorate.codecs.overfitted.model.structure import NEIGHBOURS, Grid

CHUNK = 8192
"""Positions that are one piece of work."""


class PaddedGrid:
    def __init__(self, grid: Grid) -> None:
        self.height, self.width = grid.height, grid.width
        pitch = grid.width + LEFT
        self.grid = np.zeros((grid.height + ABOVE) * pitch + TILE + 2, np.float32)
        self.offsets = np.array([down * pitch + across for down, across in NEIGHBOURS])
        self.chunk_rows = max(2 * ABOVE, CHUNK // pitch // 2 * 2)
        self.chunks = -(-grid.height // self.chunk_rows)
        self.halo = np.empty(self.chunks * ABOVE * grid.width, np.float32)
        self.sums = np.zeros((self.chunks, context.SUMS * LANES), np.float32)
        self.bits = np.zeros(self.chunks)

    def fill(self, y: Array) -> None:
        inside = self.grid[: (self.height + ABOVE) * (self.width + LEFT)].reshape(-1, self.width + LEFT)
        inside[ABOVE:, LEFT:] = y.reshape(self.height, self.width)

    def add_halo(self, g: Array) -> None:
        g = g.reshape(self.height, self.width)
        halo = self.halo.reshape(self.chunks, ABOVE, self.width)
        for chunk in range(1, self.chunks):
            row = chunk * self.chunk_rows
            g[row - ABOVE : row] += halo[chunk]
