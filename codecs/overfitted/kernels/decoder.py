"""The fitted decoder on a CPU: the kernels in their order, with the memory that they share from step to step."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from isorate.codecs.overfitted.kernels import context, features, synthesis, upsampling
from isorate.codecs.overfitted.kernels.compiled import LANES, TILE
from isorate.codecs.overfitted.kernels.workers import spread
from isorate.codecs.overfitted.model.context_model import ABOVE, LEFT, ROWS
from isorate.codecs.overfitted.model.structure import (
    CONTEXT,
    FEATURE_LEVELS,
    FEATURES,
    HIDDEN,
    LEVELS,
    NEIGHBOURS,
    Grid,
    parameters,
)
from isorate.codecs.overfitted.model.synthesis import COLOURS, TAPS

Array = NDArray[np.float32]
CHUNK = 8192
"""Positions of the context model that are one piece of work."""
CHUNK_TILES = 64
SMALL = 1 << 14
"""Upsampling stages with fewer positions are left to one thread."""
NAMES = tuple(parameters())


class KernelDecoder:
    def __init__(self, grids: tuple[Grid, ...]) -> None:
        self.grids = grids
        self.starts = np.cumsum([0, *(grid.height * grid.width for grid in grids)])
        self.levels = {
            level: [(at, g) for at, g in zip(self.starts, grids, strict=False) if g.level == level]
            for level in range(LEVELS)
        }
        self.contexts = [_Context(grid) for grid in grids]
        self.height, self.width = grids[-1].height, grids[-1].width
        self._synthesis = _Synthesis(self.height, self.width)

    def bits(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        return _Bits.apply(self, flat, *(params[name] for name in NAMES[:13]))

    def error(self, flat: Tensor, params: dict[str, Tensor], image: Tensor) -> Tensor:
        return _Error.apply(self, flat, image, *(params[name] for name in NAMES[13:]))

    def picture(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        p = {name: params[name].detach().numpy() for name in NAMES}
        synth = self._synthesis
        self._stack(flat.detach().numpy(), p)
        synth.forward(p)
        return torch.from_numpy(synth.interior(synth.out).copy())

    # bits

    def _bits(self, flat: Array, params: dict[str, Array], learn: bool) -> tuple[Array, list[Array | None]]:
        packed = _arm_weights(params)
        said: dict[int, list[Array]] = {level: self._say(level, flat, params) for level in range(FEATURE_LEVELS)}
        g_said = {level: np.empty_like(said[level][-1]) for level in said} if learn else {}
        nothing = np.zeros(0, np.float32)
        jobs = []
        for place, (grid, work) in enumerate(zip(self.grids, self.contexts, strict=True)):
            work.fill(flat[self.starts[place] : self.starts[place + 1]])
            jobs += [(place, chunk) for chunk in range(work.chunks)]
        g_flat = np.empty_like(flat)

        def run(first: int, end: int) -> None:
            at = first
            while at < end:
                place, chunk = jobs[at]
                work, grid = self.contexts[place], self.grids[place]
                last = min(work.chunks, chunk + end - at)
                has = grid.level < FEATURE_LEVELS
                context.arm(
                    work.grid,
                    grid.width,
                    grid.height,
                    said[grid.level][-1] if has else nothing,
                    work.offsets,
                    packed,
                    work.chunk_rows,
                    chunk,
                    last,
                    g_flat[self.starts[place] : self.starts[place + 1]],
                    work.halo,
                    g_said[grid.level] if has and learn else nothing,
                    work.sums,
                    work.bits,
                    learn,
                )
                at += last - chunk

        if learn:
            for work in self.contexts:
                work.sums.fill(0)
        spread(run, len(jobs))
        bits = np.array([work.bits.sum() for work in self.contexts])
        if not learn:
            return bits, []
        for place, work in enumerate(self.contexts):
            work.add_halo(g_flat[self.starts[place] : self.starts[place + 1]])
        sums = sum(work.sums.sum(0) for work in self.contexts).reshape(-1, LANES).sum(1)
        grads = _arm_gradients(sums)
        for level in range(FEATURE_LEVELS):
            grads |= self._say_gradients(level, flat, params, g_said[level], g_flat)
        return bits, [g_flat, *(grads[name] for name in NAMES[:13])]

    def _say(self, level: int, flat: Array, params: dict[str, Array]) -> list[Array]:
        top = self.levels[LEVELS - 1][0][1]
        weight = params[f"features.{level}.weight"]
        found = [np.repeat(params[f"features.{level}.bias"], ((top.height + 1) // 2) * ((top.width + 1) // 2))]
        column = 0
        for coarser in reversed(range(level + 1, LEVELS)):
            grids = self.levels[coarser]
            at, grid = grids[0]
            w = np.ascontiguousarray(weight[:, column : column + len(grids)]).ravel()
            column += len(grids)
            out = np.empty(FEATURES * grid.height * grid.width, np.float32)
            features.say(found[-1], flat, at, len(grids), grid.height, grid.width, w, out)
            found.append(out)
        return found

    def _say_gradients(
        self, level: int, flat: Array, params: dict[str, Array], g: Array, g_flat: Array
    ) -> dict[str, Array]:
        weight = params[f"features.{level}.weight"]
        column = weight.shape[1]
        g_weight = np.empty_like(weight)
        for coarser in range(level + 1, LEVELS):
            grids = self.levels[coarser]
            at, grid = grids[0]
            column -= len(grids)
            w = np.ascontiguousarray(weight[:, column : column + len(grids)]).ravel()
            g_w = np.empty(FEATURES * len(grids), np.float32)
            above = np.empty(FEATURES * ((grid.height + 1) // 2) * ((grid.width + 1) // 2), np.float32)
            features.say_gradients(g, flat, at, len(grids), grid.height, grid.width, w, above, g_flat, g_w)
            g_weight[:, column : column + len(grids)] = g_w.reshape(FEATURES, -1)
            g = above
        return {f"features.{level}.weight": g_weight, f"features.{level}.bias": g.reshape(FEATURES, -1).sum(1)}

    # picture

    def _planes(self, level: int, gradient: bool) -> tuple[Array, int, int, int]:
        """Memory of the stack at a level: flat, where it begins, distance of channels and rows."""
        s = self._synthesis
        if level == 0:
            return (s.g_stack if gradient else s.stack), s.base, s.plane, s.pitch
        grid = self.levels[level][-1][1]
        name = (level, gradient)
        if name not in s.coarse:
            s.coarse[name] = np.empty((LEVELS - level) * grid.height * grid.width, np.float32)
        return s.coarse[name], 0, grid.height * grid.width, grid.width

    def _stack(self, flat: Array, params: dict[str, Array]) -> None:
        at, grid = self.levels[LEVELS - 1][-1]
        x, begin, plane, pitch = self._planes(LEVELS - 1, gradient=False)
        x[:] = flat[at : at + x.size]
        for level in reversed(range(LEVELS - 1)):
            above = grid
            at, grid = self.levels[level][-1]
            out, to, out_plane, out_pitch = self._planes(level, gradient=False)
            kernel, taps = params[f"upsampling.{level}.weight"], params[f"filter.{level}.weight"]
            y = flat[at : at + grid.height * grid.width]

            def run(first: int, end: int) -> None:
                if first == 0:
                    upsampling.smooth(y, grid.height, grid.width, out, to, out_pitch, taps, 0, grid.height)
                upsampling.double(
                    x,
                    begin,
                    plane,
                    pitch,
                    above.height,
                    above.width,
                    out,
                    to + out_plane,
                    out_plane,
                    out_pitch,
                    grid.height,
                    grid.width,
                    kernel,
                    max(first - 1, 0),
                    end - 1,
                )

            _channels(run, LEVELS - level, y.size)
            x, begin, plane, pitch = out, to, out_plane, out_pitch

    def _stack_gradients(self, flat: Array, params: dict[str, Array], g_flat: Array) -> dict[str, Array]:
        found = {}
        for level in range(LEVELS - 1):
            at, grid = self.levels[level][-1]
            above = self.levels[level + 1][-1][1]
            x, begin, plane, pitch = self._planes(level + 1, gradient=False)
            g_x, *_ = self._planes(level + 1, gradient=True)
            g, to, g_plane, g_pitch = self._planes(level, gradient=True)
            kernel, taps = params[f"upsampling.{level}.weight"], params[f"filter.{level}.weight"]
            y, g_y = (part[at : at + grid.height * grid.width] for part in (flat, g_flat))
            sums, taken = np.empty((LEVELS - 1 - level, 4)), np.empty(4)

            def run(first: int, end: int) -> None:
                if first == 0:
                    upsampling.smooth_gradients(y, grid.height, grid.width, g, to, g_pitch, taps, g_y, taken)
                upsampling.double_gradients(
                    x,
                    g_x,
                    begin,
                    plane,
                    pitch,
                    above.height,
                    above.width,
                    g,
                    to + g_plane,
                    g_plane,
                    g_pitch,
                    grid.height,
                    grid.width,
                    kernel,
                    max(first - 1, 0),
                    end - 1,
                    sums,
                )

            _channels(run, LEVELS - level, y.size)
            found[f"upsampling.{level}.weight"] = sums.sum(0).astype(np.float32)
            found[f"filter.{level}.weight"] = taken.astype(np.float32)
        at, grid = self.levels[LEVELS - 1][-1]
        g_flat[at : at + grid.height * grid.width] = g_x
        return found

    def _error(self, flat: Array, params: dict[str, Array], image: Array, learn: bool) -> tuple[float, list[Array]]:
        synth = self._synthesis
        self._stack(flat, params)
        synth.forward(params)
        error = synth.error(image)
        if not learn:
            return error, []
        found = synth.backward(params)
        g_flat = np.zeros_like(flat)
        found |= self._stack_gradients(flat, params, g_flat)
        return error, [g_flat, *(found[name].reshape(params[name].shape) for name in NAMES[13:])]


def _channels(run: Any, count: int, size: int) -> None:
    if size < SMALL:
        run(0, count)
    else:
        spread(run, count)


class _Context:
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


class _Synthesis:
    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.pitch = pitch = width + 2
        self.base = 2 * (pitch + 1)
        self.plane = self.base + height * pitch + 2 * (pitch + 1) + TILE
        self.tiles = -(-height * pitch // TILE)
        self.chunks = -(-self.tiles // CHUNK_TILES)
        self.around = -(-(height + 2) * pitch // TILE)
        self.offsets = np.array(
            [c * self.plane + (r - 1) * pitch + q - 1 for c in range(3) for r in range(3) for q in range(3)]
        )
        self.coarse: dict[tuple[int, bool], Array] = {}
        self.stack = np.zeros(LEVELS * self.plane, np.float32)
        self.x0, self.x1, self.straight = (np.zeros(COLOURS * self.plane, np.float32) for _ in range(3))
        self.out = self.straight
        self.g_stack = np.zeros(0, np.float32)

    def forward(self, params: dict[str, Array]) -> None:
        self.point, self.kernels, self.mirrors = _synthesis_weights(params)
        place = self.plane, self.base
        size = self.height, self.width
        spread(
            lambda a, b: synthesis.pointwise(self.stack, self.x0, self.straight, *place, a, b, self.point), self.tiles
        )
        synthesis.edges(self.x0, *place, *size)
        spread(
            lambda a, b: synthesis.residual(self.x0, self.x1, *place, self.offsets, a, b, self.kernels[0]), self.tiles
        )
        synthesis.edges(self.x1, *place, *size)
        spread(
            lambda a, b: synthesis.picture(
                self.x1, self.straight, self.out, *place, self.offsets, a, b, self.kernels[1]
            ),
            self.tiles,
        )

    def interior(self, planes: Array) -> Array:
        rows = planes.reshape(-1, self.plane)[:, self.base : self.base + self.height * self.pitch]
        return rows.reshape(-1, self.height, self.pitch)[:, :, : self.width]

    def error(self, image: Array) -> float:
        """Return the mean squared error; what was the picture becomes its gradient."""
        count = image.size
        total = synthesis.squares(
            self.out,
            image.reshape(-1),
            self.plane,
            self.base,
            self.height,
            self.width,
            0,
            self.height,
            np.float32(2 / count),
        )
        return total / count

    def backward(self, params: dict[str, Array]) -> dict[str, Array]:
        if not self.g_stack.size:
            self.g_stack = np.zeros_like(self.stack)
            self.g1, self.g0 = np.zeros_like(self.x0), np.zeros_like(self.x0)
        place = self.plane, self.base
        size = self.height, self.width
        found = {}
        start = self.base - self.pitch - 1
        grads = self.out
        synthesis.clear(grads, *place, *size)
        for k, x, back in ((1, self.x1, self.g1), (0, self.x0, self.g0)):
            sums = np.zeros((self.chunks, synthesis.CONV_SUMS * LANES), np.float32)
            g = grads

            def run(a: int, b: int) -> None:
                synthesis.kernel_gradients(x, g, *place, self.offsets, self.tiles, CHUNK_TILES, a, b, sums)

            spread(run, self.chunks)
            spread(
                lambda a, b: synthesis.mirrored(g, back, self.plane, start, self.offsets, a, b, self.mirrors[k]),
                self.around,
            )
            synthesis.fold(back, g, x, *place, *size, 0, self.height, k == 1)
            synthesis.clear(back, *place, *size)
            both = sums.sum(0).reshape(4, COLOURS * TAPS + 1, LANES).sum(2)[:COLOURS]
            found[f"synthesis.residual{k}.weight"] = both[:, :-1].reshape(COLOURS, COLOURS, 3, 3)
            found[f"synthesis.residual{k}.bias"] = both[:, -1]
            grads = back
        sums = np.zeros((self.chunks, synthesis.POINT_SUMS * LANES), np.float32)
        spread(
            lambda a, b: synthesis.pointwise_gradients(
                self.stack, self.g0, self.out, self.g_stack, *place, self.tiles, CHUNK_TILES, a, b, self.point, sums
            ),
            self.chunks,
        )
        total = sums.sum(0).reshape(-1, LANES).sum(1)
        leave = total[: synthesis.OF_FIRST].reshape(4, HIDDEN + 2)
        first = total[synthesis.OF_FIRST :].reshape(4 + HIDDEN, LEVELS + 1)
        for name, value in (
            ("leave", leave[:COLOURS, : HIDDEN + 1]),
            ("linear", first[:COLOURS]),
            ("enter", first[4:]),
        ):
            found[f"synthesis.{name}.weight"] = value[:, :-1]
            found[f"synthesis.{name}.bias"] = value[:, -1]
        return found


def _arm_weights(params: dict[str, Array]) -> Array:
    layers = []
    for name in ("arm.hidden0", "arm.hidden1"):
        matrix = np.zeros((ROWS, ROWS), np.float32)
        matrix[:CONTEXT, :CONTEXT] = params[f"{name}.weight"] + np.eye(CONTEXT, dtype=np.float32)
        matrix[:CONTEXT, CONTEXT] = params[f"{name}.bias"]
        matrix[CONTEXT, CONTEXT] = 1
        layers.append(matrix)
    last = np.zeros((2, 2 * ROWS), np.float32)
    last[:, :CONTEXT] = params["arm.linear.weight"]
    last[:, ROWS : ROWS + CONTEXT] = params["arm.out.weight"]
    last[:, -1] = params["arm.out.bias"]
    w0, w1 = layers
    back = np.concatenate([w0.T, last[:, :ROWS].T], 1)
    parts = (w0, w1, last, last[:, ROWS:].T, w1.T, back)
    return np.concatenate([part.ravel() for part in parts])


def _arm_gradients(sums: Array) -> dict[str, Array]:
    square = ROWS * ROWS
    found = {}
    for place, name in enumerate(("arm.hidden0", "arm.hidden1")):
        part = sums[place * square : (place + 1) * square].reshape(ROWS, ROWS)
        found[f"{name}.weight"], found[f"{name}.bias"] = part[:CONTEXT, :CONTEXT], part[:CONTEXT, CONTEXT]
    last = sums[2 * square :].reshape(2, 2 * ROWS)
    found["arm.linear.weight"] = last[:, :CONTEXT]
    found["arm.out.weight"], found["arm.out.bias"] = last[:, ROWS : ROWS + CONTEXT], last[:, -1]
    return found


def _synthesis_weights(params: dict[str, Array]) -> tuple[Array, list[Array], list[Array]]:
    def with_bias(name: str) -> Array:
        return np.concatenate([params[f"synthesis.{name}.weight"], params[f"synthesis.{name}.bias"][:, None]], 1)

    enter, linear, leave = (
        with_bias("enter"),
        np.zeros((4, LEVELS + 1), np.float32),
        np.zeros((4, HIDDEN + 2), np.float32),
    )
    linear[:COLOURS] = with_bias("linear")
    leave[:COLOURS, : HIDDEN + 1] = with_bias("leave")
    parts = (enter, linear, leave, leave[:, :HIDDEN].T, np.concatenate([linear.T, enter.T], 1))
    kernels, mirrors = [], []
    for name in ("residual0", "residual1"):
        weight = params[f"synthesis.{name}.weight"]
        kernel, mirror = (np.zeros((4, COLOURS * TAPS + 1), np.float32) for _ in range(2))
        kernel[:COLOURS, :-1] = weight.reshape(COLOURS, -1)
        kernel[:COLOURS, -1] = params[f"synthesis.{name}.bias"]
        mirror[:COLOURS, :-1] = weight[:, :, ::-1, ::-1].transpose(1, 0, 2, 3).reshape(COLOURS, -1)
        kernels.append(kernel.ravel())
        mirrors.append(mirror.ravel())
    return np.concatenate([part.ravel() for part in parts]), kernels, mirrors


class _Bits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decoder: KernelDecoder, flat: Tensor, *params: Tensor) -> Tensor:
        values = {name: value.detach().numpy() for name, value in zip(NAMES[:13], params, strict=True)}
        bits, grads = decoder._bits(flat.detach().numpy(), values, any(ctx.needs_input_grad))
        ctx.save_for_backward(*(torch.from_numpy(np.ascontiguousarray(g)) for g in grads))
        return torch.from_numpy(bits.astype(np.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *(saved * grad[0] for saved in ctx.saved_tensors))


class _Error(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decoder: KernelDecoder, flat: Tensor, image: Tensor, *params: Tensor) -> Tensor:
        values = {name: value.detach().numpy() for name, value in zip(NAMES[13:], params, strict=True)}
        error, grads = decoder._error(flat.detach().numpy(), values, image.numpy(), any(ctx.needs_input_grad))
        ctx.save_for_backward(*(torch.from_numpy(np.ascontiguousarray(g)) for g in grads))
        return torch.tensor(error, dtype=torch.float32)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        g_flat, *others = (saved * grad for saved in ctx.saved_tensors)
        return (None, g_flat, None, *others)
