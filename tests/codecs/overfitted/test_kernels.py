"""The kernels beside PyTorch in double precision: values and gradients, at all kinds of sizes."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from isorate.codecs.overfitted.decoders import decoder_for
from isorate.codecs.overfitted.fitting.rounding import soft_round, twice
from isorate.codecs.overfitted.kernels.compiled import sources
from isorate.codecs.overfitted.kernels.numerics import exp, log, tanh
from isorate.codecs.overfitted.kernels.structure import Structure
from isorate.codecs.overfitted.model import decoder
from isorate.codecs.overfitted.model.decoder import TorchDecoder
from isorate.codecs.overfitted.model.structure import grids
from isorate.codecs.overfitted.model.target import Target

SIZES = [(1, 1), (1, 20), (19, 1), (2, 3), (7, 5), (20, 20), (33, 64), (97, 131), (140, 201)]


def nets(seed: int = 0) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    start = decoder.starting_parameters(torch.rand(3, 8, 8, generator=draw), draw)
    return {name: value + 0.1 * torch.randn(value.shape, generator=draw) for name, value in start.items()}


def latents(size: tuple[int, int], scale: float) -> Tensor:
    count = sum(grid.height * grid.width for grid in grids(*size))
    return torch.randn(count, generator=torch.Generator().manual_seed(1)) * scale


def both(size: tuple[int, int], scale: float, share: float = 0.0) -> tuple[list[Tensor], list[Tensor]]:
    """Return bits, D, picture and all gradients: the kernels' and PyTorch's in double precision."""
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(2))
    if share:  # similar to the picture: where nothing is alike a power of nearly nothing is all there is
        image = TorchDecoder(grids(*size)).picture(latents(size, scale), nets()) + 0.2 * image
    found = []
    for made, dtype in (
        (decoder_for(grids(*size), torch.device("cpu")), torch.float32),
        (TorchDecoder(grids(*size)), torch.float64),
    ):
        params = {name: value.to(dtype).requires_grad_() for name, value in nets().items()}
        flat = latents(size, scale).to(dtype).requires_grad_()
        bits, error = made.bits(flat, params), made.distortion(flat, params, Target(image.to(dtype), share))
        (error + 1e-3 * bits.sum()).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            picture = made.picture(flat, params)
        gradients = [value.grad for value in (flat, *params.values())]
        found.append([value.detach().double() for value in (bits, error, picture, *gradients) if value is not None])
    return found[0], found[1]


@pytest.mark.parametrize("size", SIZES)
def test_values_and_gradients_are_those_of_pytorch(size: tuple[int, int]) -> None:
    ours, plain = both(size, 1.0)
    assert len(ours) == 4 + len(nets())
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5 * float(b.abs().max()) + 1e-9)


@pytest.mark.parametrize("size", [(161, 161), (190, 163), (177, 204)])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_mixture_with_structure_is_pytorchs(size: tuple[int, int], share: float) -> None:
    """In single precision variances of windows are differences of means, hence the wider tolerance."""
    ours, plain = both(size, 1.0, share)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-4 * float(b.abs().max()) + 1e-9)


@pytest.mark.parametrize("size", [(161, 161), (190, 163), (177, 204), (256, 400)])
def test_structure_is_ms_ssim_of_the_library(size: tuple[int, int]) -> None:
    from pytorch_msssim import ms_ssim

    draw = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, 9, 9, generator=draw)
    x = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=False)[0].clamp(0, 1)
    y = x + 0.03 * torch.randn(x.shape, generator=draw)
    value, slope = Structure(x.numpy()).loss(y.numpy(), gradient=True)
    there = y.double()[None].requires_grad_()
    expected = 1 - ms_ssim(there, x.double()[None], data_range=1.0)
    expected.backward()
    expected = expected.detach()
    assert value == pytest.approx(float(expected), abs=2e-4)
    assert there.grad is not None
    assert slope is not None
    wanted = there.grad[0].numpy()
    assert np.linalg.norm(slope - wanted) < 2e-3 * np.linalg.norm(wanted)
    same, nothing = Structure(x.numpy()).loss(x.numpy(), gradient=False)
    assert same == pytest.approx(0, abs=1e-6)
    assert nothing is None


def test_a_picture_with_nothing_in_common_moves_nothing_and_breaks_nothing() -> None:
    x = torch.rand(3, 170, 170, generator=torch.Generator().manual_seed(4)).numpy()
    value, slope = Structure(x).loss(1 - x, gradient=True)
    assert slope is not None
    assert np.isfinite(slope).all()
    assert 0.9 < value <= 1


@pytest.mark.parametrize("scale", [0.0, 40.0])
def test_empty_grids_and_large_latents(scale: float) -> None:
    ours, plain = both((45, 70), scale)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()) + 1e-5)


def test_the_number_of_threads_changes_nothing() -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(both((260, 200), 1.0)[0])
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert torch.equal(a, b)


def test_soft_rounding_is_that_of_pytorch() -> None:
    y = torch.linspace(-9, 9, 5000).requires_grad_()
    noise = 0.2 * torch.randn(5000, generator=torch.Generator().manual_seed(0))
    found = soft_round(y, noise, 0.3)
    found.sum().backward()  # type: ignore[no-untyped-call]
    plain, slope = twice(y.detach().double(), noise.double(), 0.3)
    torch.testing.assert_close(found.double(), plain, rtol=0, atol=3e-6)
    assert y.grad is not None
    torch.testing.assert_close(y.grad.double(), slope, rtol=1e-4, atol=1e-4)


def test_elementary_functions() -> None:
    x = np.linspace(-86, 86, 2001).astype(np.float32)
    wide = x.astype(np.float64)
    np.testing.assert_allclose([exp(v) for v in x], np.exp(wide), rtol=3e-7)
    np.testing.assert_allclose([log(v) for v in np.exp(x)], np.log(np.exp(x).astype(np.float64)), rtol=3e-7, atol=1e-7)
    np.testing.assert_allclose([tanh(v) for v in x / 10], np.tanh(wide / 10), atol=5e-7)


@pytest.mark.parametrize("writable", [True, False])
def test_kernels_compile_whether_or_not_there_is_a_place_to_keep_them(tmp_path: Path, writable: bool) -> None:
    script = (
        "import pathlib, sys, numpy as np, numba\n"
        "from isorate.codecs.overfitted.kernels import compiled\n"
        "place = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None\n"
        "compiled._folder = lambda: place\n"
        "from isorate.codecs.overfitted.kernels.rounding import soft_round\n"
        "y = np.ones(4, np.float32)\n"
        "soft_round(y, y, y.copy(), y.copy(), np.float32(3), np.float32(0.5))\n"
        "print(numba.config.CACHE_DIR, soft_round.stats.cache_misses)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "NUMBA_CACHE_DIR")}
    arguments = [sys.executable, "-P", "-c", script, *([str(tmp_path)] if writable else [])]
    ran = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
    assert any(tmp_path.rglob("*.nbi")) == writable


def test_what_kernels_take_from_other_files_decides_where_they_are_kept() -> None:
    """A width that changes in the model's files is a constant in compiled kernels, which must not be found again."""
    known = set(sources())
    kernels = [path for path in known if path.parent.name == "kernels" and "@compiled" in path.read_text("utf-8")]
    assert len(kernels) > 4
    for kernel in kernels:
        for node in ast.walk(ast.parse(kernel.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isorate."):
                spec = importlib.util.find_spec(node.module or "")
                assert spec is not None
                assert Path(spec.origin or "") in known, f"{kernel.name} takes {node.module}"
