"""Rounding by rate-distortion cost."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from isorate.codecs.learned.bitstream.integer_priors import SYMBOL_LIMIT
from isorate.codecs.learned.bitstream.knobs import BIN_STEPS, KnobCodes
from isorate.codecs.learned.bitstream.latents import estimated_bits, rdoq_latents, run_priors
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder
from isorate.codecs.learned.model import density, quantization
from isorate.image import Image


def cost(symbol: Tensor, y: Tensor, mean: Tensor, log2_scale: Tensor) -> Tensor:
    return density.bits(symbol, mean, log2_scale) + quantization.RDOQ_WEIGHT * (y - symbol).square()


@settings(deadline=None)
@given(st.tuples(st.floats(-30, 30), st.floats(-30, 30), st.floats(-3, 5)))
def test_a_choice_is_the_cheapest_of_the_three_whole_numbers_around(values: tuple[float, float, float]) -> None:
    y, mean, log2_scale = (torch.tensor([value]) for value in values)
    chosen = quantization.nearest_or_cheaper(y, mean, log2_scale)
    around = torch.round(y) + torch.tensor([-1.0, 0.0, 1.0])
    assert float(chosen) in around.tolist()
    assert float(cost(chosen, y, mean, log2_scale)) <= float(cost(around, y, mean, log2_scale).min()) + 1e-4


def test_with_a_dear_error_it_is_plain_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "RDOQ_WEIGHT", 1e9)
    y, mean = 4 * torch.randn(1000), torch.randn(1000)
    assert torch.equal(quantization.nearest_or_cheaper(y, mean, torch.zeros(1000)), torch.round(y))


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("codes", [KnobCodes(0, 512), KnobCodes(1500, 300), KnobCodes(5120, 1024)])
def test_the_encoders_integers_take_the_parameters_that_the_decoder_will_have(
    tiny: Network, photo: Image, codes: KnobCodes
) -> None:
    encoder = PictureEncoder(tiny, photo)
    plain = encoder.rounded(codes)
    y = encoder.latent(codes) / tiny.bin_size(codes)
    priors = tiny.conditioned(codes)
    latents, steps = rdoq_latents(plain.w, y, priors, tiny.tables)
    again, _ = run_priors(latents, priors)
    for one, other in zip(steps, again, strict=True):
        np.testing.assert_array_equal(one.symbols, other.symbols)
        np.testing.assert_array_equal(one.parameters.table, other.parameters.table)
        np.testing.assert_array_equal(one.parameters.floor, other.parameters.floor)
    assert np.abs(latents.z - y.numpy()).max() < 1.5
    assert estimated_bits(steps, tiny.tables) < estimated_bits(run_priors(plain, priors)[0], tiny.tables)


@pytest.mark.usefixtures("no_grad")
def test_symbols_out_of_range_are_clipped(tiny: Network, photo: Image) -> None:
    codes = KnobCodes(1500, 300)
    encoder = PictureEncoder(tiny, photo)
    y = torch.full_like(encoder.latent(codes), 1e9)
    latents, _ = rdoq_latents(encoder.rounded(codes).w, y, tiny.conditioned(codes), tiny.tables)
    assert np.abs(latents.z).max() <= SYMBOL_LIMIT


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("codes", [KnobCodes(0, 512), KnobCodes(1500, 300), KnobCodes(3000, 700)])
def test_training_rounds_as_the_encoder_does(fresh_tiny: Network, photo: Image, codes: KnobCodes) -> None:
    """But for elements at a decision's edge: the float priors are a little off the integer ones."""
    encoder, step = PictureEncoder(fresh_tiny, photo), fresh_tiny.bin_size(codes)
    latents = encoder.code(codes).latents
    condition = (fresh_tiny.h(codes), torch.tensor([codes.log2_bin / BIN_STEPS]))
    features = fresh_tiny.model.hyper_synthesis_net(torch.from_numpy(latents.w)[None].float() * step, condition)
    z = fresh_tiny.model.latent_prior.rdoq(encoder.latent(codes)[None], features, condition)
    assert np.mean(np.round(z[0].numpy() / step) != latents.z) < 0.005
