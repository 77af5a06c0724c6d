"""The fitted decoder on a CPU: the kernels in their order, with the memory that they share from step to step."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from isorate.codecs.distortion import MS_SSIM_SCALE, mixed
from isorate.codecs.overfitted.kernels import context, features, upsampling
from isorate.codecs.overfitted.kernels.compiled import LANES, Array
from isorate.codecs.overfitted.kernels.padded import PaddedGrid
from isorate.codecs.overfitted.kernels.planes import Synthesis
from isorate.codecs.overfitted.kernels.structure import Structure
from isorate.codecs.overfitted.kernels.weights import arm_gradients, arm_weights
from isorate.codecs.overfitted.kernels.workers import spread
from isorate.codecs.overfitted.model.structure import FEATURE_LEVELS, FEATURES, LEVELS, Grid, parameters
from isorate.codecs.overfitted.model.target import Target

SMALL = 1 << 14
"""Upsampling stages with fewer positions are left to one thread."""
NAMES = tuple(parameters())
OF_BITS = tuple(name for name in NAMES if name.startswith(("arm", "features")))
OF_PICTURE = NAMES[len(OF_BITS) :]


class KernelDecoder:
    """The decoder of pictures of one size; its memory serves every step, so one thread may use it at a time.

    Parameters
    ----------
    grids
        The picture's grids.
    """

    def __init__(self, grids: tuple[Grid, ...]) -> None:
        self.grids = grids
        self.starts = np.cumsum([0, *(grid.height * grid.width for grid in grids)])
        self.levels = {
            level: [(at, g) for at, g in zip(self.starts, grids, strict=False) if g.level == level]
            for level in range(LEVELS)
        }
        self._synthesis = Synthesis(grids[-1].height, grids[-1].width)
        self._held: tuple[Target, Structure] | None = None

    @cached_property
    def contexts(self) -> list[PaddedGrid]:
        """Memory for the context model, grid by grid."""
        return [PaddedGrid(grid) for grid in self.grids]

    def bits(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Return the bits of each grid, (grids,); the sum of them is what passes gradients."""
        found: Tensor = _Bits.apply(self, flat, *(params[name] for name in OF_BITS))  # type: ignore[no-untyped-call]
        return found

    def distortion(self, flat: Tensor, params: dict[str, Tensor], target: Target) -> Tensor:
        """Return D of the picture, a scalar."""
        given = (params[name] for name in OF_PICTURE)
        found: Tensor = _Distortion.apply(self, flat, target, *given)  # type: ignore[no-untyped-call]
        return found

    def distortion_of(self, picture: Tensor, target: Target) -> float:
        """Return D of a picture (3, H, W), without gradients."""
        error = float((picture - target.image).square().mean())
        if not target.ms_ssim_share:
            return error
        lost, _ = self._structure(target).loss(picture.numpy(), gradient=False)
        return mixed(error, lost, target.ms_ssim_share)

    def picture(self, flat: Tensor, params: dict[str, Tensor]) -> Tensor:
        """Return the decoded colours, (3, H, W), about 0..1, without gradients."""
        p = {name: params[name].detach().numpy() for name in NAMES}
        synth = self._synthesis
        self._stack(flat.detach().numpy(), p)
        synth.forward(p)
        return torch.from_numpy(synth.interior().copy())

    # bits

    def _bits(self, flat: Array, params: dict[str, Array], learn: bool) -> tuple[Array, list[Array | None]]:
        packed = arm_weights(params)
        said: dict[int, list[Array]] = {level: self._say(level, flat, params) for level in range(FEATURE_LEVELS)}
        g_said = {level: np.empty_like(said[level][-1]) for level in said} if learn else {}
        nothing = np.zeros(0, np.float32)
        jobs = []
        for place, work in enumerate(self.contexts):
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
        grads = arm_gradients(sums)
        for level in range(FEATURE_LEVELS):
            grads |= self._say_gradients(level, flat, params, g_said[level], g_flat)
        return bits, [g_flat, *(grads[name] for name in OF_BITS)]

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
        at, _ = self.levels[LEVELS - 1][-1]
        coarsest = self._planes(LEVELS - 1, gradient=False)[0]
        coarsest[:] = flat[at : at + coarsest.size]
        for level in reversed(range(LEVELS - 1)):
            self._upsample(level, flat, params)

    def _upsample(self, level: int, flat: Array, params: dict[str, Array]) -> None:
        (at, grid), (_, above) = self.levels[level][-1], self.levels[level + 1][-1]
        source = *self._planes(level + 1, gradient=False), above.height, above.width
        out, to, plane, pitch = self._planes(level, gradient=False)
        y = flat[at : at + grid.height * grid.width]
        size = grid.height, grid.width
        kernel, taps = params[f"upsampling.{level}.weight"], params[f"filter.{level}.weight"]

        def run(first: int, end: int) -> None:
            if first == 0:
                upsampling.smooth(y, *size, out, to, pitch, taps)
            upsampling.double(*source, out, to + plane, plane, pitch, *size, kernel, max(first - 1, 0), end - 1)

        _channels(run, LEVELS - level, y.size)

    def _stack_gradients(self, flat: Array, params: dict[str, Array], g_flat: Array) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for level in range(LEVELS - 1):
            found |= self._upsampling_gradients(level, flat, params, g_flat)
        at, _ = self.levels[LEVELS - 1][-1]
        coarsest = self._planes(LEVELS - 1, gradient=True)[0]
        g_flat[at : at + coarsest.size] = coarsest
        return found

    def _upsampling_gradients(
        self, level: int, flat: Array, params: dict[str, Array], g_flat: Array
    ) -> dict[str, Array]:
        (at, grid), (_, above) = self.levels[level][-1], self.levels[level + 1][-1]
        x, begin, x_plane, x_pitch = self._planes(level + 1, gradient=False)
        place = begin, x_plane, x_pitch
        g_x = self._planes(level + 1, gradient=True)[0]
        g, to, plane, pitch = self._planes(level, gradient=True)
        y, g_y = (part[at : at + grid.height * grid.width] for part in (flat, g_flat))
        size, size_above = (grid.height, grid.width), (above.height, above.width)
        kernel, taps = params[f"upsampling.{level}.weight"], params[f"filter.{level}.weight"]
        sums, taken = np.empty((LEVELS - 1 - level, len(kernel))), np.empty(len(taps))

        def run(first: int, end: int) -> None:
            if first == 0:
                upsampling.smooth_gradients(y, *size, g, to, pitch, taps, g_y, taken)
            part = max(first - 1, 0), end - 1
            upsampling.double_gradients(
                x, g_x, *place, *size_above, g, to + plane, plane, pitch, *size, kernel, *part, sums
            )

        _channels(run, LEVELS - level, y.size)
        weights = {f"upsampling.{level}.weight": sums.sum(0), f"filter.{level}.weight": taken}
        return {name: value.astype(np.float32) for name, value in weights.items()}

    def _structure(self, target: Target) -> Structure:
        """Return what MS-SSIM needs of the target's picture, kept from call to call."""
        if self._held is None or self._held[0] is not target:
            self._held = target, Structure(target.image.numpy())
        return self._held[1]

    def _distortion(
        self, flat: Array, params: dict[str, Array], target: Target, learn: bool
    ) -> tuple[float, list[Array]]:
        synth, share = self._synthesis, target.ms_ssim_share
        self._stack(flat, params)
        synth.forward(params)
        lost, slope = self._structure(target).loss(synth.interior(), learn) if share else (0.0, None)
        error = synth.squared_error(target.image.numpy(), 1 - share)
        error = mixed(error, lost, share)
        if not learn:
            return error, []
        if slope is not None:
            gradient = synth.interior()
            gradient += np.float32(share * MS_SSIM_SCALE) * slope
        found = synth.backward()
        g_flat = np.zeros_like(flat)
        found |= self._stack_gradients(flat, params, g_flat)
        return error, [g_flat, *(found[name].reshape(params[name].shape) for name in OF_PICTURE)]


def _channels(run: Callable[[int, int], None], count: int, size: int) -> None:
    if size < SMALL:
        run(0, count)
    else:
        spread(run, count)


class _Bits(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decoder: KernelDecoder, flat: Tensor, *params: Tensor) -> Tensor:
        values = {name: value.detach().numpy() for name, value in zip(OF_BITS, params, strict=True)}
        bits, grads = decoder._bits(flat.detach().numpy(), values, any(ctx.needs_input_grad))
        ctx.save_for_backward(*(torch.from_numpy(np.ascontiguousarray(g)) for g in grads))
        return torch.from_numpy(bits.astype(np.float32))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *(saved * grad[0] for saved in ctx.saved_tensors))


class _Distortion(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, decoder: KernelDecoder, flat: Tensor, target: Target, *params: Tensor) -> Tensor:
        values = {name: value.detach().numpy() for name, value in zip(OF_PICTURE, params, strict=True)}
        error, grads = decoder._distortion(flat.detach().numpy(), values, target, any(ctx.needs_input_grad))
        ctx.save_for_backward(*(torch.from_numpy(np.ascontiguousarray(g)) for g in grads))
        return torch.tensor(error, dtype=torch.float32)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        g_flat, *others = (saved * grad for saved in ctx.saved_tensors)
        return (None, g_flat, None, *others)
