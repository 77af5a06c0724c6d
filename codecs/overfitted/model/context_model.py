"""The context model (ARM): from a latent's causal neighbours and coarser grids to its Laplace density.

Two residual linear layers with ReLU, and one linear layer beside them (the stabiliser of Cool-chic 5.0). The neighbours
are gathered as shifted slices of a flat grid with zeros between its rows, so that a tile of rows is a few contiguous
copies and one matrix product a layer; a row of ones beside them carries the biases. Gradients are taken tile by tile,
while the tile is in the cache.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isorate.codecs.overfitted.model.structure import CONTEXT, LEVELS, NEIGHBOUR_ROWS, NEIGHBOURS

LEFT, ABOVE = 3, 3
"""Zeros before each row and rows of zeros above: how far the neighbours reach."""
TILE = 12288
"""Positions of a tile."""
LOG_SCALE_SHIFT = 4.0
LOG_SCALE_LIMIT = 5.0
SMALLEST_MASS = 2.0**-24
"""No latent is counted with more than 24 bits, those of the rarest entry of a table while fitting."""
ROWS = CONTEXT + 1
"""The context and a row of ones."""


def arm_matrices(params: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the context model's layers as matrices over the context and a row of ones."""
    hidden = []
    for name in ("arm.hidden0", "arm.hidden1"):
        weight = params[f"{name}.weight"]
        identity = torch.eye(CONTEXT, dtype=weight.dtype, device=weight.device)
        residual = torch.cat([weight + identity, params[f"{name}.bias"][:, None]], 1)
        ones = functional.one_hot(torch.tensor([CONTEXT], device=weight.device), ROWS).to(residual)
        hidden.append(torch.cat([residual, ones]))
    out = torch.cat([params["arm.out.weight"], params["arm.out.bias"][:, None]], 1)
    return hidden[0], hidden[1], out, functional.pad(params["arm.linear.weight"], (0, 1))


def grid_bits(y: Tensor, features: Tensor | None, arm: tuple[Tensor, ...]) -> Tensor:
    """Return the bits of a grid, a scalar.

    Parameters
    ----------
    y
        The grid's (soft-)rounded latents, (height, width).
    features
        What the coarser grids say, (features, height, width); None for none.
    arm
        The result of :func:`arm_matrices`.
    """
    bits: Tensor = _GridBits.apply(y, features, *arm)  # type: ignore[no-untyped-call]
    return bits


class _GridBits(torch.autograd.Function):
    """The bits of a grid with their gradients, which are taken along with them."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, features: Tensor | None, *arm: Tensor) -> Tensor:
        height, width = y.shape
        w0, w1, w2, w3 = arm
        pitch = width + LEFT
        grid = y.new_zeros((height + ABOVE) * pitch + 2)
        _inside(grid, height, width).copy_(y)
        inner = torch.zeros_like(grid)
        _inside(inner, height, width).fill_(1)
        learn = any(ctx.needs_input_grad)
        taken = torch.zeros_like(grid)
        taken_features = None if features is None else torch.empty_like(features)
        grads = [torch.zeros_like(part) for part in arm]
        total = y.new_zeros(())
        rows = min(height, max(1, TILE // pitch))
        context = y.new_zeros(ROWS, rows * pitch)
        context[CONTEXT] = 1
        buffers = [torch.empty_like(context) for _ in range(4)] + [y.new_empty(2, rows * pitch)]
        for top in range(0, height, rows):
            count = min(rows, height - top)
            start, n = (top + ABOVE) * pitch, count * pitch
            c, h0, h1, g0, g1, out = (buffer[:, :n] for buffer in (context, *buffers))
            row = 0
            for down, first, columns in NEIGHBOUR_ROWS:
                at = start + down * pitch + first
                c[row : row + columns] = grid.as_strided((columns, n), (1, 1), at)
                row += columns
            if features is not None:
                c[row:CONTEXT].view(-1, count, pitch)[:, :, LEFT:] = features[:, top : top + count]
            torch.mm(w0, c, out=h0).relu_()
            torch.mm(w1, h0, out=h1).relu_()
            torch.mm(w2, h1, out=out).addmm_(w3, c)
            bits, g_x, g_out = _laplace(grid[start : start + n], out, inner[start : start + n])
            total += bits
            if not learn:
                continue
            threshold_backward(torch.mm(w2.t(), g_out, out=g1), h1, 0, grad_input=g1)
            threshold_backward(torch.mm(w1.t(), g1, out=g0), h0, 0, grad_input=g0)
            for total_grad, grad, seen in zip(grads, (g0, g1, g_out, g_out), (c, h0, h1, c), strict=True):
                total_grad.addmm_(grad, seen.t())
            g_c = torch.mm(w0.t(), g0, out=g1).addmm_(w3.t(), g_out)
            taken[start : start + n] += g_x
            for (down, across), g in zip(NEIGHBOURS, g_c, strict=False):
                at = start + down * pitch + across
                taken[at : at + n] += g
            if taken_features is not None:
                g_features = g_c[len(NEIGHBOURS) : CONTEXT].view(-1, count, pitch)
                taken_features[:, top : top + count] = g_features[:, :, LEFT:]
        ctx.save_for_backward(_inside(taken, height, width), taken_features, *grads)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return tuple(None if saved is None else saved * grad for saved in ctx.saved_tensors)


threshold_backward = torch.ops.aten.threshold_backward.grad_input


def _inside(grid: Tensor, height: int, width: int) -> Tensor:
    """Return the elements of a flat grid without the zeros around them."""
    return grid[: (height + ABOVE) * (width + LEFT)].view(height + ABOVE, width + LEFT)[ABOVE:, LEFT:]


def _laplace(x: Tensor, out: Tensor, inner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the bits of `x` under means and log-scales `out`, summed where `inner` is 1, and their gradients."""
    distance = x - out[0]
    log_scale = out[1] - LOG_SCALE_SHIFT
    inverse = log_scale.clamp(-LOG_SCALE_LIMIT, LOG_SCALE_LIMIT).neg_().exp_()
    size = distance.abs()
    far = (size + 0.5).mul_(inverse)
    edge = (size - 0.5).mul_(inverse)
    outside = edge.sign()
    near = edge.abs_()
    e_far, e_near = torch.exp(-far), torch.exp(-near)
    signed = outside * e_near
    mass = (signed - e_far).mul_(0.5).add_((outside < 0).to(x.dtype))
    held = mass > SMALLEST_MASS
    mass.clamp_(min=SMALLEST_MASS)
    bits = torch.dot(torch.log(mass), inner) / -math.log(2)
    common = (inner / mass).mul_(held).mul_(-0.5 / math.log(2))
    g_x = (e_far - e_near).mul_(inverse).mul_(common).mul_(distance.sign_())
    g_out = torch.empty_like(out)
    torch.neg(g_x, out=g_out[0])
    within = (log_scale.abs_() < LOG_SCALE_LIMIT).to(x.dtype)
    torch.mul(near.mul_(signed).sub_(far.mul_(e_far)), common.mul_(within), out=g_out[1])
    return bits, g_x, g_out


def coarser_features(
    decoded: dict[int, list[Tensor]], level: int, size: tuple[int, int], params: dict[str, Tensor]
) -> Tensor:
    """Return what the grids coarser than `level` say to its context model: (features, height, width).

    A linear map of the values found there by repeating each grid's elements; it is taken on each grid before repeating.

    Parameters
    ----------
    decoded
        The grids by level, at each level the hyper-latents first: (height, width) each.
    level
        0, 1 or 2.
    size
        Height and width of the grid.
    params
        The nets' parameters by name.
    """
    weight = params[f"features.{level}.weight"]
    found: Tensor | None = None
    at = 0
    for coarser in reversed(range(level + 1, LEVELS)):
        values = torch.stack(decoded[coarser])
        here = (weight[:, at : at + len(values)] @ values.flatten(1)).view(-1, *values.shape[1:])
        at += len(values)
        found = here if found is None else repeated(found, (values.shape[1], values.shape[2])) + here
    assert found is not None
    return repeated(found + params[f"features.{level}.bias"][:, None, None], size)


def repeated(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return `x` (C, h, w) with every element repeated 2×2 times, cut to `size`."""
    channels, height, width = x.shape
    wide = x[:, :, None, :, None].expand(-1, -1, 2, -1, 2).reshape(channels, 2 * height, 2 * width)
    return wide[:, : size[0], : size[1]]
