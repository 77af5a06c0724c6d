"""Synthesis: from the upsampled stack to the picture. 1×1, ReLU, 1×1, a linear layer beside them, two 3×3 residuals.

Everything works on tiles of positions, and hidden values are computed again for the gradient rather than kept.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isorate.codecs.overfitted.model.structure import HIDDEN

TILE = 12288
"""Positions of a tile."""
COLOURS = 3
TAPS = 9


def picture(features: Tensor, params: dict[str, Tensor]) -> Tensor:
    """Map the stack (n + 1, H, W), whose last channel is 1, to colours (3, H, W), about 0..1.

    A stack without the finest grids is taken as if they were 0.
    """
    enter, leave, linear = (
        torch.cat([params[f"synthesis.{name}.weight"], params[f"synthesis.{name}.bias"][:, None]], 1)
        for name in ("enter", "leave", "linear")
    )
    first = torch.cat([enter, linear])[:, -len(features) :]
    both: Tensor = _Pointwise.apply(features.flatten(1), first, leave)  # type: ignore[no-untyped-call]
    x, straight = both.view(2, COLOURS, *features.shape[1:])
    for name in ("residual0", "residual1"):
        x = x + conv3x3(x, params[f"synthesis.{name}.weight"], params[f"synthesis.{name}.bias"])
        x = x.relu() if name == "residual0" else x
    found: Tensor = x + straight
    return found


class _Pointwise(torch.autograd.Function):
    """For x (channels, positions): leave(relu(enter(x))), then linear(x), (6, positions); `w0` is enter over linear."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w0: Tensor, w1: Tensor) -> Tensor:
        out = x.new_empty(2 * COLOURS, x.shape[1])
        buffer = x.new_empty(HIDDEN + COLOURS, min(TILE, x.shape[1]))
        for tile in _tiles(x.shape[1]):
            mixed = torch.mm(w0, x[:, tile], out=buffer[:, : tile.stop - tile.start])
            mixed[:HIDDEN].relu_()
            torch.addmm(w1[:, HIDDEN:], w1[:, :HIDDEN], mixed[:HIDDEN], out=out[:COLOURS, tile])
            out[COLOURS:, tile] = mixed[HIDDEN:]
        ctx.save_for_backward(x, w0, w1)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, w0, w1 = ctx.saved_tensors
        g_x, g_w0, g_w1 = torch.empty_like(x), torch.zeros_like(w0), torch.zeros_like(w1)
        size = min(TILE, x.shape[1])
        buffers = x.new_empty(HIDDEN, size), x.new_empty(HIDDEN + COLOURS, size)
        ones = x.new_ones(size)
        for tile in _tiles(x.shape[1]):
            n = tile.stop - tile.start
            seen, g = x[:, tile], grad[:, tile]
            hidden = torch.mm(w0[:HIDDEN], seen, out=buffers[0][:, :n]).relu_()
            g_w1[:, :HIDDEN].addmm_(g[:COLOURS], hidden.t())
            g_w1[:, HIDDEN] += g[:COLOURS] @ ones[:n]
            mixed = buffers[1][:, :n]
            inside = torch.mm(w1[:, :HIDDEN].t(), g[:COLOURS], out=mixed[:HIDDEN])
            torch.ops.aten.threshold_backward.grad_input(inside, hidden, 0, grad_input=inside)
            mixed[HIDDEN:] = g[COLOURS:]
            g_w0.addmm_(mixed, seen.t())
            torch.mm(w0.t(), mixed, out=g_x[:, tile])
        return g_x, g_w0, g_w1


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the 3×3 convolution of `x` (3, H, W), its edges repeated."""
    found: Tensor = _Conv3x3.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return found


class _Conv3x3(torch.autograd.Function):
    """A 3×3 convolution as nine shifted slices and one product a tile of rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        padded = functional.pad(x[None], (1, 1, 1, 1), mode="replicate")[0]
        out = torch.empty_like(x)
        found = x.new_empty(COLOURS, max(TILE, padded.shape[2]))
        for top, count, columns in _columns(padded):
            tile = torch.addmm(bias[:, None], _rows(weight), columns, out=found[:, : columns.shape[1]])
            out[:, top : top + count] = tile.view(COLOURS, count, -1)[:, :, : x.shape[2]]
        ctx.save_for_backward(padded, weight)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        padded, weight = ctx.saved_tensors
        held = functional.pad(grad, (0, 2))
        g_rows = weight.new_zeros(COLOURS, TAPS * COLOURS)
        for top, count, columns in _columns(padded):
            g_rows.addmm_(held[:, top : top + count].flatten(1), columns.t())
        g_weight = g_rows.view(COLOURS, 3, 3, COLOURS).permute(0, 3, 1, 2)
        # The gradient of the padded picture is a convolution with the mirrored kernel.
        whole = torch.empty_like(padded)
        mirrored = _rows(weight.flip(2, 3).transpose(0, 1))
        found = grad.new_empty(COLOURS, max(TILE, padded.shape[2] + 2))
        for top, count, columns in _columns(functional.pad(grad, (2, 2, 2, 2))):
            tile = torch.mm(mirrored, columns, out=found[:, : columns.shape[1]])
            whole[:, top : top + count] = tile.view(COLOURS, count, -1)[:, :, : padded.shape[2]]
        whole[:, 1] += whole[:, 0]
        whole[:, -2] += whole[:, -1]
        whole[:, :, 1] += whole[:, :, 0]
        whole[:, :, -2] += whole[:, :, -1]
        return whole[:, 1:-1, 1:-1], g_weight, grad.flatten(1).sum(1)


def _rows(weight: Tensor) -> Tensor:
    """Return a kernel (out, in, 3, 3) as a matrix over (tap, in)."""
    return weight.permute(0, 2, 3, 1).reshape(COLOURS, -1)


def _columns(padded: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Yield (first row, rows, windows) of tiles of rows; windows are (9 · 3, rows · pitch), in one buffer."""
    _, height, pitch = padded.shape
    flat = functional.pad(padded.reshape(COLOURS, -1), (0, 2))
    step = min(height - 2, max(1, TILE // 2 // pitch))
    buffer = padded.new_empty(3, 3, COLOURS, step * pitch)
    for top in range(0, height - 2, step):
        count = min(step, height - 2 - top)
        n = count * pitch
        windows = flat.as_strided((3, 3, COLOURS, n), (pitch, 1, flat.stride(0), 1), top * pitch)
        columns = buffer[..., :n]
        columns.copy_(windows)
        yield top, count, columns.flatten(0, 2)


def _tiles(length: int) -> list[slice]:
    return [slice(start, min(start + TILE, length)) for start in range(0, length, TILE)]
