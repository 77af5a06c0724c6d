"""The synthesis on its planes: from the stack to the picture, and back to the stack's gradient."""

import numpy as np

from isorate.codecs.overfitted.kernels import synthesis
from isorate.codecs.overfitted.kernels.compiled import LANES, TILE, Array
from isorate.codecs.overfitted.kernels.weights import synthesis_gradients, synthesis_weights
from isorate.codecs.overfitted.kernels.workers import spread
from isorate.codecs.overfitted.model.structure import LEVELS
from isorate.codecs.overfitted.model.synthesis import COLOURS, TAPS

CHUNK_TILES = 64
"""Tiles whose gradients are summed by themselves."""


class Synthesis:
    """Planes of a picture's size, and the kernels on them in their order."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.pitch = pitch = width + 2
        self.base = 2 * (pitch + 1)
        self.plane = self.base + height * pitch + 2 * (pitch + 1) + TILE
        self.tiles = -(-height * pitch // TILE)
        self.chunks = -(-self.tiles // CHUNK_TILES)
        self.around = -(-(height + 2) * pitch // TILE)
        self.place, self.size = (self.plane, self.base), (height, width)
        self.offsets = np.array(
            [c * self.plane + r * pitch + q for c in range(COLOURS) for r in (-1, 0, 1) for q in (-1, 0, 1)]
        )
        self.coarse: dict[tuple[int, bool], Array] = {}
        self.stack = np.zeros(LEVELS * self.plane, np.float32)
        self.x0, self.x1, self.straight = (np.zeros(COLOURS * self.plane, np.float32) for _ in range(3))
        self.g_stack = np.zeros(0, np.float32)

    def forward(self, params: dict[str, Array]) -> None:
        """Map the stack to the picture, in `out`."""
        self.point, self.kernels, self.mirrors = synthesis_weights(params)
        place, size, offsets = self.place, self.size, self.offsets
        x0, x1, straight = self.x0, self.x1, self.straight
        spread(lambda a, b: synthesis.pointwise(self.stack, x0, straight, *place, a, b, self.point), self.tiles)
        synthesis.edges(x0, *place, *size)
        spread(lambda a, b: synthesis.residual(x0, x1, *place, offsets, a, b, self.kernels[0]), self.tiles)
        synthesis.edges(x1, *place, *size)
        spread(lambda a, b: synthesis.picture(x1, straight, *place, offsets, a, b, self.kernels[1]), self.tiles)

    def interior(self) -> Array:
        """Return the picture, (3, H, W): a view."""
        rows = self.straight.reshape(-1, self.plane)[:, self.base : self.base + self.height * self.pitch]
        return rows.reshape(-1, self.height, self.pitch)[:, :, : self.width]

    def squared_error(self, image: Array, share: float) -> float:
        """Return the mean squared error against `image`, (3, H, W).

        What was the picture becomes the gradient of `share` times it.
        """
        scale = np.float32(2 * share / image.size)
        return synthesis.squares(self.straight, image.reshape(-1), *self.place, *self.size, scale) / image.size

    def backward(self) -> dict[str, Array]:
        """Return the gradients of the nets by name and put the stack's into `g_stack`."""
        if not self.g_stack.size:
            self.g_stack = np.zeros_like(self.stack)
            self.g1, self.g0 = np.zeros_like(self.x0), np.zeros_like(self.x0)
        synthesis.clear(self.straight, *self.place, *self.size)
        found = self._residual_gradients(1, self.x1, self.straight, self.g1)
        found |= self._residual_gradients(0, self.x0, self.g1, self.g0)
        sums = np.zeros((self.chunks, synthesis.POINT_SUMS * LANES), np.float32)
        maps = self.stack, self.g0, self.straight, self.g_stack
        rest = *self.place, self.tiles, CHUNK_TILES
        spread(lambda a, b: synthesis.pointwise_gradients(*maps, *rest, a, b, self.point, sums), self.chunks)
        return found | synthesis_gradients(sums.sum(0).reshape(-1, LANES).sum(1))

    def _residual_gradients(self, number: int, x: Array, g: Array, back: Array) -> dict[str, Array]:
        """Return the gradients of a 3×3 layer by name and put that of its input `x` into `back`."""
        sums = np.zeros((self.chunks, synthesis.CONV_SUMS * LANES), np.float32)
        rest = *self.place, self.offsets, self.tiles, CHUNK_TILES
        spread(lambda a, b: synthesis.kernel_gradients(x, g, *rest, a, b, sums), self.chunks)
        start, mirror = self.base - self.pitch - 1, self.mirrors[number]
        spread(lambda a, b: synthesis.mirrored(g, back, self.plane, start, self.offsets, a, b, mirror), self.around)
        synthesis.fold(back, g, x, *self.place, *self.size, number == 1)
        synthesis.clear(back, *self.place, *self.size)
        both = sums.sum(0).reshape(4, COLOURS * TAPS + 1, LANES).sum(2)[:COLOURS]
        name = f"synthesis.residual{number}"
        return {f"{name}.weight": both[:, :-1].reshape(COLOURS, COLOURS, 3, 3), f"{name}.bias": both[:, -1]}
