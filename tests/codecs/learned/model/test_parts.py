"""The model's smaller parts: hat functions, quantizers, likelihoods, partition, number grids."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isorate.codecs.learned.model import density, fixed_point
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.conditioning import ConditionalConv2d, hat
from isorate.codecs.learned.model.config import DEFAULT_KNOTS, ModelConfig
from isorate.codecs.learned.model.partition import GROUP_AT, STEPS, join_steps, split_steps
from isorate.codecs.learned.model.priors import PriorConv2d, set_fake_quantize
from isorate.codecs.learned.model.quantization import Quantizer, round_to_bins
from isorate.errors import UsageError

KNOTS = torch.tensor(DEFAULT_KNOTS)


def test_hat_is_one_hot_at_the_knots() -> None:
    torch.testing.assert_close(hat(10.0**KNOTS, DEFAULT_KNOTS), torch.eye(len(DEFAULT_KNOTS)), atol=2e-6, rtol=0)


@given(st.floats(-6, 1))
def test_hat_is_a_partition_of_unity(log10_lmbda: float) -> None:
    h = hat(torch.tensor([10.0**log10_lmbda]), DEFAULT_KNOTS)
    assert h.sum().item() == pytest.approx(1, abs=1e-5)
    assert int((h > 1e-6).sum()) <= 2
    assert float(h.min()) >= 0


@pytest.mark.parametrize("knots", [DEFAULT_KNOTS, (-1.1, -1.7, -2.3, -2.9, -3.3)])
def test_beyond_the_outer_knots_their_values_hold(knots: tuple[float, ...]) -> None:
    with torch.inference_mode():
        hat(torch.ones(1), knots)
    lmbda = torch.tensor([10.0, 1e-9], requires_grad=True)
    h = hat(lmbda, knots)
    assert torch.equal(h, torch.eye(len(knots))[[0, -1]])
    h.sum().backward()  # type: ignore[no-untyped-call]


def test_conditional_convolution_at_a_knot_is_the_papers_one_hot_model() -> None:
    torch.manual_seed(0)
    conv = ConditionalConv2d(3, 4, 3, len(DEFAULT_KNOTS))
    torch.nn.init.normal_(conv.u)
    torch.nn.init.normal_(conv.v)
    x = torch.randn(1, 3, 5, 5)
    for knot in range(len(DEFAULT_KNOTS)):
        scale = torch.nn.functional.softplus(conv.u[:, knot])[:, None, None]
        expected = scale * torch.nn.functional.conv2d(x, conv.weight, padding=1) + conv.v[:, knot][:, None, None]
        torch.testing.assert_close(conv(x, hat(10.0 ** KNOTS[knot : knot + 1], DEFAULT_KNOTS)), expected)


def test_set_scale_is_the_scale() -> None:
    conv = ConditionalConv2d(1, 2, 1, 3)
    wanted = torch.tensor([[0.01, 1.0, 30.0], [5.0, 0.2, 2.0]])
    conv.set_scale(wanted)
    torch.testing.assert_close(conv.scale(torch.eye(3)).t(), wanted)


def test_rounding_gives_multiples_of_the_bin() -> None:
    y = 5 * torch.randn(2, 3, 4, 4)
    bins = torch.tensor([0.5, 1.7])
    z = round_to_bins(y, bins)
    torch.testing.assert_close(z, (z / bins.view(2, 1, 1, 1)).round() * bins.view(2, 1, 1, 1))
    assert bool(((z - y).abs() <= bins.view(2, 1, 1, 1) / 2 + 1e-6).all())


def test_universal_quantization_shares_one_dither_between_the_latents_of_an_image() -> None:
    quantize = Quantizer(torch.ones(2), "universal", torch.Generator().manual_seed(3))
    offsets = []
    for size in (4, 2):
        y = (10 * torch.randn(2, 3, size, size)).requires_grad_()
        z, charged = quantize(y)
        assert z is charged
        offsets.append((z - z.round()).detach().flatten(1))
        assert bool(((z - y).abs() <= 0.5 + 1e-5).all())
        (gradient,) = torch.autograd.grad(z.sum(), y)
        assert torch.equal(gradient, torch.ones_like(y))
    both = torch.cat(offsets, dim=1)
    spread = torch.minimum((both - both[:, :1]).abs(), 1 - (both - both[:, :1]).abs())
    assert float(spread.max()) < 1e-4
    assert abs(float(both[0, 0] - both[1, 0])) > 1e-3


def test_mixed_quantization_charges_noise_and_decodes_rounding() -> None:
    bins = torch.tensor([0.5])
    y = 5 * torch.randn(1, 4, 8, 8)
    z, charged = Quantizer(bins, "mixed", torch.Generator().manual_seed(0))(y)
    torch.testing.assert_close(z, round_to_bins(y, bins))
    noise = charged - y
    assert float(noise.abs().max()) <= 0.25
    assert float(noise.std()) == pytest.approx(0.5 / 12**0.5, rel=0.1)


def test_unknown_quantization_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown quantization"):
        Quantizer(torch.ones(1), "truncate")  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.floats(-40, 40), st.integers(0, density.SCALE_COUNT - 1))
def test_likelihoods_sum_to_one(mean: float, index: int) -> None:
    scale = density.scale_table()[index]
    reach = int(45 + 12 * float(scale))
    symbols = torch.arange(-reach, reach + 1, dtype=torch.float64)
    total = density.bin_likelihood(symbols, torch.tensor(mean, dtype=torch.float64), torch.log2(scale)).sum()
    assert float(total) == pytest.approx(1, abs=1e-9)


def test_the_mixture_has_the_variance_of_its_scale() -> None:
    share, narrow = density.mixture(torch.linspace(-4, 9, 53, dtype=torch.float64))
    variance = (1 - share) * narrow**2 + share * density.WIDE**2
    torch.testing.assert_close(variance, torch.ones_like(variance))
    assert float(share[0]) == 0
    assert float(share[-1]) == pytest.approx(density.WIDE_SHARE)


def test_bits_are_the_likelihoods_logarithm_and_go_on_into_the_tails() -> None:
    symbol = torch.tensor([0.0, 1.0, 5.0, 1000.0], requires_grad=True)
    log2_scale = torch.tensor([0.0, -1.0, 2.0, -2.0])
    cost = density.bits(symbol, torch.zeros(4), log2_scale)
    likelihood = density.bin_likelihood(symbol[:3].double(), torch.zeros(3).double(), log2_scale[:3].double())
    expected = -torch.log2(likelihood)
    torch.testing.assert_close(cost[:3].double(), expected, rtol=1e-4, atol=1e-4)
    assert bool(torch.isfinite(cost).all())
    (gradient,) = torch.autograd.grad(cost.sum(), symbol)
    assert bool(torch.isfinite(gradient).all())
    assert float(gradient[3]) > 0


def test_partition_is_a_latin_square_and_its_own_inverse() -> None:
    for line in (*GROUP_AT, *zip(*GROUP_AT, strict=True)):
        assert sorted(line) == list(range(STEPS))
    z = torch.randn(2, 8, 6, 4)
    parts = split_steps(z)
    assert [tuple(part.shape) for part in parts] == [(2, 8, 3, 2)] * STEPS
    assert torch.equal(join_steps(parts), z)


def test_fake_quantization_puts_activations_on_the_grid_and_changes_little() -> None:
    torch.manual_seed(0)
    conv = PriorConv2d(4, 6, 3, len(DEFAULT_KNOTS))
    x = torch.randn(1, 4, 5, 5)
    condition = (hat(torch.tensor([0.01]), DEFAULT_KNOTS), torch.zeros(1))
    plain = conv(x, condition)
    set_fake_quantize(conv, True)
    quantized = conv(x, condition)
    units = quantized * 2**fixed_point.ACTIVATION_BITS
    assert torch.equal(units, units.round())
    torch.testing.assert_close(plain, quantized, atol=0.02, rtol=0)
    (gradient,) = torch.autograd.grad(quantized.sum(), conv.weight)
    assert float(gradient.abs().sum()) > 0
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv(x, condition), quantized), "the grids are too fine for bfloat16"
        set_fake_quantize(conv, False)
        assert not torch.equal(conv(x, condition), plain)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"knots": [-1, -2, -3]}, "at least 5"),
        ({"knots": [-4, -3, -2, -1, 0]}, "descend"),
        ({"latent_channels": 6}, "multiples of 4"),
        ({"latent_channels": 1000}, "must not exceed"),
        ({"colour": 1}, "unknown keys"),
        ({"prior_channels": 18}, r"model\.prior_channels is 18; .* multiples of 4"),
        ({"step_channels": 4}, r"model\.step_channels .* is 4; it must be 8 or more"),
        ({"enter_kernel": 2}, r"model\.enter_kernel is 2; it must be odd"),
        ({"fine_channels": -24}, r"model\.fine_channels is -24; it must be a whole number from 1 to 16384"),
        ({"fine_channels": "x"}, r"model\.fine_channels is 'x'; it must be a whole number"),
        ({"fine_channels": 24.5}, r"model\.fine_channels is 24\.5; it must be a whole number"),
        ({"hyper_channels": 0}, r"model\.hyper_channels is 0; it must be a whole number from 1"),
        ({"encoder_fine_blocks": -1}, r"model\.encoder_fine_blocks is -1; it must be a whole number from 0 to 1000"),
        ({"separable": 1}, r"model\.separable is 1; it must be true or false"),
        ({"name": 3}, r"model\.name is 3; it must be a text"),
        ({"knots": 3}, r"model\.knots is 3; it must be a list, each a number from -10 to 4"),
        ({"knots": [-1.5, -2.0, -2.5, -3.0, math.nan]}, r"nan\]; it must be a list, each a number from -10 to 4"),
        ({"knots": [math.inf, -2.0, -2.5, -3.0, -4.0]}, r"\[inf, .*; it must be a list, each a number from -10 to 4"),
    ],
)
def test_impossible_models_are_usage_errors(table: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ModelConfig.from_dict(table)


def test_a_models_knots_are_floats_however_they_are_written() -> None:
    one, two = (
        ModelConfig.from_dict({"knots": knots}) for knots in ([-1, -2, -3, -4, -5], (-1.0, -2.0, -3.0, -4.0, -5.0))
    )
    assert one.to_json() == two.to_json()


def test_separable_blocks_run() -> None:
    config = ModelConfig(
        name="separable", fine_channels=256, coarse_channels=320, latent_channels=192, hyper_channels=64, separable=True
    )
    coded = ConditionalAutoencoder(config)(torch.rand(1, 3, 64, 64), torch.tensor([0.01]), torch.ones(1))
    assert coded.picture.shape == (1, 3, 64, 64)
    assert bool(torch.isfinite(coded.bits).all())
