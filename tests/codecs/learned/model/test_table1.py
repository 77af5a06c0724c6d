"""Each row of Table 1 of the supplementary: cutting a conditioning path makes one of these fail."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.partition import STEPS, split_steps
from isorate.codecs.learned.model.priors import PriorParameters
from isorate.codecs.learned.model.quantization import round_to_bins

TINY = ModelConfig(
    name="tiny", fine_channels=16, coarse_channels=24, latent_channels=24, hyper_channels=8, prior_channels=16
)
LMBDA = torch.tensor([10.0**-2.2])
OTHER_LMBDA = torch.tensor([10.0**-2.7])
BIN = torch.tensor([1.0])
OTHER_BIN = torch.tensor([1.4])


@pytest.fixture(scope="module")
def model() -> ConditionalAutoencoder:
    """A tiny model in which no weight is zero, so that every path that exists carries something."""
    torch.manual_seed(0)
    built = ConditionalAutoencoder(TINY).eval()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return built.requires_grad_(False)


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.rand(1, 3, 128, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def z() -> Tensor:
    return round_to_bins(3 * torch.randn(1, 24, 8, 4, generator=torch.Generator().manual_seed(2)), BIN)


@pytest.fixture(scope="module")
def w() -> Tensor:
    return round_to_bins(3 * torch.randn(1, 8, 2, 1, generator=torch.Generator().manual_seed(3)), BIN)


def differs(
    function: Callable[..., Tensor | PriorParameters], one: tuple[object, ...], two: tuple[object, ...]
) -> bool:
    first, second = function(*one), function(*two)
    if isinstance(first, PriorParameters):
        return all(not torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert isinstance(second, Tensor)
    return not torch.equal(first, second)


def test_analysis_reads_picture_and_lmbda(model: ConditionalAutoencoder, x: Tensor) -> None:
    assert model.analysis(x, LMBDA).shape == (1, 24, 8, 4)
    assert differs(model.analysis, (x, LMBDA), (1 - x, LMBDA))
    assert differs(model.analysis, (x, LMBDA), (x, OTHER_LMBDA))


def test_hyper_analysis_reads_latent_picture_and_lmbda(model: ConditionalAutoencoder, x: Tensor, z: Tensor) -> None:
    assert model.hyper_analysis(z, x, LMBDA).shape == (1, 8, 2, 1)
    assert differs(model.hyper_analysis, (z, x, LMBDA), (-z, x, LMBDA))
    assert differs(model.hyper_analysis, (z, x, LMBDA), (z, 1 - x, LMBDA))
    assert differs(model.hyper_analysis, (z, x, LMBDA), (z, x, OTHER_LMBDA))


def test_synthesis_reads_latent_hyper_latent_and_lmbda(model: ConditionalAutoencoder, z: Tensor, w: Tensor) -> None:
    features = model.hyper_synthesis(w, LMBDA, BIN)
    other = model.hyper_synthesis(-w, LMBDA, BIN)
    assert model.synthesis(z, features, LMBDA).shape == (1, 3, 128, 64)
    assert differs(model.synthesis, (z, features, LMBDA), (-z, features, LMBDA))
    assert differs(model.synthesis, (z, features, LMBDA), (z, other, LMBDA))
    assert differs(model.synthesis, (z, features, LMBDA), (z, features, OTHER_LMBDA))


@pytest.mark.parametrize("step", range(STEPS))
def test_latent_prior_reads_hyper_latent_lmbda_and_bin_size(
    model: ConditionalAutoencoder, z: Tensor, w: Tensor, step: int
) -> None:
    known = split_steps(z)[:step]

    def parameters(w: Tensor, lmbda: Tensor, bin_size: Tensor) -> PriorParameters:
        condition = model.condition(lmbda, bin_size)
        return model.latent_prior.step(step, known, model.hyper_synthesis_net(w, condition), condition)

    assert differs(parameters, (w, LMBDA, BIN), (-w, LMBDA, BIN))
    assert differs(parameters, (w, LMBDA, BIN), (w, OTHER_LMBDA, BIN))
    assert differs(parameters, (w, LMBDA, BIN), (w, LMBDA, OTHER_BIN))


@pytest.mark.parametrize("step", range(STEPS))
def test_hyper_prior_reads_lmbda_and_bin_size(model: ConditionalAutoencoder, w: Tensor, step: int) -> None:
    known = w.chunk(STEPS, dim=1)[:step]

    def parameters(lmbda: Tensor, bin_size: Tensor) -> PriorParameters:
        return model.hyper_prior.step(step, known, w, model.condition(lmbda, bin_size))

    assert differs(parameters, (LMBDA, BIN), (OTHER_LMBDA, BIN))
    assert differs(parameters, (LMBDA, BIN), (LMBDA, OTHER_BIN))


@pytest.mark.parametrize("changed", range(STEPS))
def test_latent_prior_is_autoregressive_and_causal(
    model: ConditionalAutoencoder, z: Tensor, w: Tensor, changed: int
) -> None:
    condition = model.condition(LMBDA, BIN)
    features = model.hyper_synthesis_net(w, condition)

    def parameters(latent: Tensor) -> list[list[Tensor]]:
        return [[split_steps(p)[k] for p in model.latent_prior(latent, features, condition)] for k in range(STEPS)]

    before = parameters(z)
    for channel, row, column in ((0, 0, 0), (7, 3, 1), (13, 5, 2), (23, 6, 3), (0, 0, 1), (0, 1, 0), (0, 1, 1)):
        altered = z.clone()
        altered[0, channel, row, column] += 5
        step = next(k for k in range(STEPS) if not torch.equal(split_steps(altered)[k], split_steps(z)[k]))
        if step != changed:
            continue
        after = parameters(altered)
        for k in range(STEPS):
            same = all(torch.equal(a, b) for a, b in zip(before[k], after[k], strict=True))
            assert same == (k <= step)
        break
    else:
        pytest.fail("no element of that step was tried")


@pytest.mark.parametrize("changed", range(STEPS))
def test_hyper_prior_is_autoregressive_and_causal(model: ConditionalAutoencoder, w: Tensor, changed: int) -> None:
    condition = model.condition(LMBDA, BIN)
    altered = w.clone()
    altered[0, 2 * changed, 1, 0] += 5
    before, after = model.hyper_prior(w, condition), model.hyper_prior(altered, condition)
    for group in range(STEPS):
        part = slice(2 * group, 2 * group + 2)
        same = torch.equal(before.mean[:, part], after.mean[:, part])
        assert same == (group <= changed)


def test_two_images_of_a_batch_keep_their_own_rates(model: ConditionalAutoencoder, x: Tensor) -> None:
    both = model(x.expand(2, -1, -1, -1), torch.cat([LMBDA, OTHER_LMBDA]), torch.cat([BIN, OTHER_BIN]))
    one = model(x, LMBDA, BIN)
    two = model(x, OTHER_LMBDA, OTHER_BIN)
    torch.testing.assert_close(both.bits, torch.cat([one.bits, two.bits]), rtol=1e-3, atol=1)
    torch.testing.assert_close(both.picture, torch.cat([one.picture, two.picture]), rtol=1e-3, atol=1e-3)
