"""The nets and their hand-made gradients beside plain PyTorch."""

import math
from typing import TypeAlias

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from isorate.codecs.overfitted.fitting.rounding import soft_round, twice
from isorate.codecs.overfitted.model import context_model, decoder, synthesis
from isorate.codecs.overfitted.model.structure import FEATURE_LEVELS, FEATURES, NEIGHBOURS, grids

HEIGHT, WIDTH = 21, 27
Params: TypeAlias = dict[str, Tensor]


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tiles a grid, the last one smaller."""
    monkeypatch.setattr(context_model, "TILE", 200)
    monkeypatch.setattr(synthesis, "TILE", 250)
    torch.manual_seed(0)


@pytest.fixture
def params() -> Params:
    start = decoder.starting_parameters(torch.rand(3, HEIGHT, WIDTH), torch.Generator().manual_seed(0))
    return {name: (v.double() + 0.1 * torch.randn(v.shape)).requires_grad_() for name, v in start.items()}


@pytest.fixture
def latents() -> Tensor:
    count = sum(grid.height * grid.width for grid in grids(HEIGHT, WIDTH))
    return (2 * torch.randn(count, dtype=torch.float64)).requires_grad_()


def plain_bits(latents: Tensor, params: Params) -> Tensor:
    """The bits of each grid by unfolded contexts and torch.distributions."""
    decoded: list[tuple[Tensor, int]] = []
    found = []
    for y, grid in zip(decoder.split(latents, grids(HEIGHT, WIDTH)), grids(HEIGHT, WIDTH), strict=True):
        padded = functional.pad(y, (3, 3, 3, 0))
        shifts = [padded[3 + r : 3 + r + grid.height, 3 + c : 3 + c + grid.width] for r, c in NEIGHBOURS]
        context = torch.stack(shifts).flatten(1)
        features = y.new_zeros(FEATURES, y.numel())
        if grid.level < FEATURE_LEVELS:
            seen = []
            for coarser, level in decoded:
                wide = coarser
                for above in reversed(range(grid.level, level)):
                    wide = wide.repeat_interleave(2, 0).repeat_interleave(2, 1)
                    wide = wide[: -(-HEIGHT >> above), : -(-WIDTH >> above)]
                seen.append(wide.flatten())
            weight, bias = (params[f"features.{grid.level}.{part}"] for part in ("weight", "bias"))
            features = weight @ torch.stack(seen) + bias[:, None]
        context = h = torch.cat([context, features])
        for name in ("arm.hidden0", "arm.hidden1"):
            h = functional.relu(h + params[f"{name}.weight"] @ h + params[f"{name}.bias"][:, None])
        out = params["arm.out.weight"] @ h + params["arm.out.bias"][:, None] + params["arm.linear.weight"] @ context
        density = torch.distributions.Laplace(out[0], torch.exp((out[1] - 4).clamp(-5, 5)))
        low, high = (density.cdf(y.flatten() + half) for half in (-0.5, 0.5))  # type: ignore[no-untyped-call]
        mass = high - low
        found.append(-torch.log2(mass.clamp_min(2**-24)).sum())
        decoded.append((y, grid.level))
    return torch.stack(found)


def plain_picture(latents: Tensor, params: Params) -> Tensor:
    """The picture by interleaved sums and conv2d."""
    pairs = zip(decoder.split(latents, grids(HEIGHT, WIDTH)), grids(HEIGHT, WIDTH), strict=True)
    seen = {grid.level: y for y, grid in pairs if not grid.hyper}

    def double(x: Tensor, kernel: Tensor, axis: int) -> Tensor:
        x = x.movedim(axis, -1)
        n = x.shape[-1]
        padded = torch.cat([x[..., :1]] * 2 + [x] + [x[..., -1:]] * 2, -1)
        even = torch.stack([kernel[t] * padded[..., t : t + n] for t in range(4)]).sum(0)
        odd = torch.stack([kernel[3 - t] * padded[..., t + 1 : t + 1 + n] for t in range(4)]).sum(0)
        return torch.stack([even, odd], -1).flatten(-2).movedim(-1, axis)

    stack = seen[6][None]
    for level in reversed(range(6)):
        kernel, half = params[f"upsampling.{level}.weight"], params[f"filter.{level}.weight"]
        taps = torch.cat([half, half[:3].flip(0)])
        y = seen[level][None, None]
        fine = functional.conv2d(y, taps.view(1, 1, 7, 1), padding=(3, 0))
        fine = functional.conv2d(fine, taps.view(1, 1, 1, 7), padding=(0, 3)) + y
        wide = double(double(stack, kernel, 1), kernel, 2)[:, : y.shape[2], : y.shape[3]]
        stack = torch.cat([fine[0], wide])

    def conv(x: Tensor, name: str) -> Tensor:
        weight = params[f"synthesis.{name}.weight"]
        weight = weight if weight.dim() == 4 else weight[:, :, None, None]
        if weight.shape[2] == 3:
            x = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return functional.conv2d(x, weight, params[f"synthesis.{name}.bias"])

    x = conv(conv(stack[None], "enter").relu(), "leave")
    x = (x + conv(x, "residual0")).relu()
    x = x + conv(x, "residual1")
    return (x + conv(stack[None], "linear"))[0]


def gradients(values: Tensor, params: Params, latents: Tensor) -> tuple[Tensor, ...]:
    names = [name for name in params if name.partition(".")[0] in ("arm", "features")]
    names = names if values.dim() == 1 else [name for name in params if name not in names]
    weights = torch.linspace(1, 2, values.numel(), dtype=torch.float64)
    return torch.autograd.grad((values.flatten() * weights).sum(), [latents, *(params[name] for name in names)])


def test_bits_and_their_gradients(params: Params, latents: Tensor) -> None:
    parts = decoder.split(latents, grids(HEIGHT, WIDTH))
    ours = torch.stack(decoder.bits_by_grid(parts, grids(HEIGHT, WIDTH), params))
    plain = plain_bits(latents, params)
    torch.testing.assert_close(ours, plain)
    for a, b in zip(gradients(ours, params, latents), gradients(plain, params, latents), strict=True):
        torch.testing.assert_close(a, b)


def test_the_picture_and_its_gradients(params: Params, latents: Tensor) -> None:
    parts = decoder.split(latents, grids(HEIGHT, WIDTH))
    ours = decoder.picture(parts, grids(HEIGHT, WIDTH), params)
    plain = plain_picture(latents, params)
    torch.testing.assert_close(ours, plain)
    for a, b in zip(gradients(ours, params, latents), gradients(plain, params, latents), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (64, 96), (97, 131)])
def test_grids_have_the_sizes_of_halved_pictures(size: tuple[int, int]) -> None:
    found = grids(*size)
    order = [f"{'w' if grid.hyper else 'y'}{grid.level}" for grid in found]
    assert order == ["w6", "y6", "w5", "y5", "w4", "y4", "y3", "y2", "y1", "y0"]
    for grid in found:
        assert (grid.height, grid.width) == tuple(math.ceil(side / 2**grid.level) for side in size)


def test_soft_rounding(latents: Tensor) -> None:
    y = latents.detach()[:60]
    noise = 0.2 * torch.randn(60, dtype=torch.float64)
    found, slope = twice(y, noise, 0.3)
    step = 1e-6
    numerical = (twice(y + step, noise, 0.3)[0] - twice(y - step, noise, 0.3)[0]) / (2 * step)
    torch.testing.assert_close(slope, numerical, rtol=1e-4, atol=1e-5)
    hard, _ = twice(y, torch.zeros_like(y), 1e-3)
    torch.testing.assert_close(hard, torch.round(y))
    single = y.float().requires_grad_()
    by_kernel = soft_round(single, noise.float(), 0.3)
    by_kernel.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(by_kernel.double(), found, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(single.grad, slope.float(), rtol=1e-3, atol=1e-3)


def test_the_plain_start_draws_a_flat_picture_in_the_mean_colour() -> None:
    image = torch.rand(3, HEIGHT, WIDTH)
    start = decoder.starting_parameters(image, torch.Generator().manual_seed(0))
    count = sum(grid.height * grid.width for grid in grids(HEIGHT, WIDTH))
    found = decoder.picture(decoder.split(torch.zeros(count), grids(HEIGHT, WIDTH)), grids(HEIGHT, WIDTH), start)
    torch.testing.assert_close(found, image.mean((1, 2))[:, None, None].expand_as(found))
