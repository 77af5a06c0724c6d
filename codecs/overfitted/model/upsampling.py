"""Upsampling: from grids of all sizes to one stack at the picture's size, ×2 by ×2, with learned symmetric kernels.

Each stage filters the next finer grid (7 taps, residual), upsamples what it has (8 taps) and stacks both. Kernels are
separable. A pass along one axis is a sum of shifted slices of a padded flat array.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from isorate.codecs.overfitted.model.structure import LEVELS

REACH = 3


def stack(latents: dict[int, Tensor], params: dict[str, Tensor]) -> Tensor:
    """Map the latents y_k (height, width) by level to their stack at the finest one's size.

    The result is (n + 1, H, W): the n grids, the finest first, and a channel of ones.
    """
    found = latents[LEVELS - 1][None]
    for level in reversed(range(min(latents), LEVELS - 1)):
        y = latents[level]
        kernel, taps = params[f"upsampling.{level}.weight"], params[f"filter.{level}.weight"]
        wide = upsampled(found, kernel)[:, : y.shape[0], : y.shape[1]]
        parts = [filtered(y[None], taps), wide]
        found = torch.cat([*parts, torch.ones_like(parts[0])] if level == min(latents) else parts)
    return found


def upsampled(x: Tensor, kernel: Tensor) -> Tensor:
    """Map `x` (C, h, w) to (C, 2h, 2w); `kernel` has 4 taps, its other half is their mirror image."""
    channels, height, width = x.shape
    tall: Tensor = _Double.apply(x, kernel)  # type: ignore[no-untyped-call]
    wide: Tensor = _Double.apply(tall.view(channels * 2 * height, width, 1), kernel)  # type: ignore[no-untyped-call]
    return wide.view(channels, 2 * height, 2 * width)


def filtered(x: Tensor, taps: Tensor) -> Tensor:
    """Map `x` (C, h, w) to `x` plus itself under the separable symmetric kernel whose first half `taps` is."""
    channels, height, width = x.shape
    tall: Tensor = _Filter.apply(x, taps)  # type: ignore[no-untyped-call]
    wide: Tensor = _Filter.apply(tall.view(channels * height, width, 1), taps)  # type: ignore[no-untyped-call]
    return x + wide.view_as(x)


class _Double(torch.autograd.Function):
    """×2 along the middle axis: (outer, n, inner) to (outer, 2n, inner), the ends repeated beyond them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        outer, n, inner = x.shape
        padded = _with_ends(x, 2)
        flat = padded.view(-1)
        length = flat.numel() - 4 * inner
        out = x.new_empty(outer, n, 2, inner)
        weights = kernel.tolist()
        for phase, order in ((0, weights), (1, weights[::-1])):
            total = torch.empty_like(padded)
            sums = total.view(-1)[:length]
            torch.mul(flat[phase * inner : phase * inner + length], order[0], out=sums)
            for tap in range(1, 4):
                at = (tap + phase) * inner
                sums.add_(flat[at : at + length], alpha=order[tap])
            out[:, :, phase] = total[:, :n]
        ctx.save_for_backward(padded, kernel)
        return out.view(outer, 2 * n, inner)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        padded, kernel = ctx.saved_tensors
        outer, m, inner = padded.shape
        n = m - 4
        flat = padded.view(-1)
        length = flat.numel() - 4 * inner
        grad = grad.reshape(outer, n, 2, inner)
        taken = torch.zeros_like(padded)
        to = taken.view(-1)
        weights = kernel.tolist()
        dots: list[Tensor] = []
        for phase, order in ((0, weights), (1, weights[::-1])):
            held = torch.zeros_like(padded)
            held[:, :n] = grad[:, :, phase]
            g = held.view(-1)[:length]
            found = []
            for tap in range(4):
                at = (tap + phase) * inner
                to[at : at + length].add_(g, alpha=order[tap])
                found.append(torch.dot(g, flat[at : at + length]))
            dots.append(torch.stack(found if phase == 0 else found[::-1]))
        return _without_ends(taken, 2), dots[0] + dots[1]


class _Filter(torch.autograd.Function):
    """A symmetric kernel of 7 along the middle axis, zeros beyond the ends."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: Tensor) -> Tensor:
        padded = functional.pad(x, (0, 0, REACH, REACH))
        ctx.save_for_backward(padded, taps)
        return _symmetric(padded, taps.tolist())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        padded, taps = ctx.saved_tensors
        inner = padded.shape[2]
        flat = padded.view(-1)
        length = flat.numel() - 2 * REACH * inner
        held = functional.pad(grad, (0, 0, REACH, REACH))
        g = held.view(-1)[REACH * inner : REACH * inner + length]
        dots = [torch.dot(g, flat[t * inner : t * inner + length]) for t in range(2 * REACH + 1)]
        found = torch.stack([dots[t] + dots[2 * REACH - t] for t in range(REACH)] + [dots[REACH]])
        return _symmetric(held, taps.tolist()), found


def _symmetric(padded: Tensor, taps: list[float]) -> Tensor:
    """Return the middle of `padded` (outer, n + 6, inner) under the kernel whose first half is `taps`."""
    inner = padded.shape[2]
    flat = padded.view(-1)
    length = flat.numel() - 2 * REACH * inner
    total = torch.empty_like(padded)
    sums = total.view(-1)[:length]
    torch.mul(flat[REACH * inner : REACH * inner + length], taps[REACH], out=sums)
    for t in range(REACH):
        for at in (t * inner, (2 * REACH - t) * inner):
            sums.add_(flat[at : at + length], alpha=taps[t])
    return total[:, : padded.shape[1] - 2 * REACH]


def _with_ends(x: Tensor, count: int) -> Tensor:
    """Return `x` (outer, n, inner) with its ends repeated `count` times."""
    first, last = x[:, :1].expand(-1, count, -1), x[:, -1:].expand(-1, count, -1)
    return torch.cat([first, x, last], dim=1)


def _without_ends(grad: Tensor, count: int) -> Tensor:
    """Return the gradient of what :func:`_with_ends` was given."""
    inside = grad[:, count:-count].clone()
    inside[:, 0] += grad[:, :count].sum(1)
    inside[:, -1] += grad[:, -count:].sum(1)
    return inside
