import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isorate.codecs.learned.bitstream import tables as numeric_tables
from isorate.codecs.learned.bitstream.conv_weights import IntegerConvWeights
from isorate.codecs.learned.bitstream.integer_conv import IntegerConv
from isorate.codecs.learned.bitstream.integer_priors import SYMBOL_LIMIT
from isorate.codecs.learned.bitstream.knobs import BIN_CODES, LMBDA_STEPS, KnobCodes
from isorate.codecs.learned.bitstream.latents import Latents, estimated_bits, run_priors, write_payload
from isorate.codecs.learned.bitstream.weights import load_weights, weights_path
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder
from isorate.codecs.learned.model.config import DEFAULT_KNOTS
from isorate.codecs.learned.model.density import MEAN_LEVELS, bin_likelihood, bits, scale_table
from isorate.codecs.learned.model.partition import join_steps
from isorate.codecs.learned.model.priors import set_fake_quantize
from isorate.image import Image

SOFTPLUS = numeric_tables.softplus()
CODES = KnobCodes(1500, 300)


def random_latents(network: Network, height: int = 2, width: int = 3, spread: float = 4, seed: int = 0) -> Latents:
    draw = np.random.default_rng(seed)
    config = network.config
    w = np.round(spread * draw.standard_normal((config.hyper_channels, height, width))).astype(np.int32)
    z = np.round(spread * draw.standard_normal((config.latent_channels, 4 * height, 4 * width))).astype(np.int32)
    return Latents(w, z)


@given(st.floats(-5, 0), st.floats(0.3, 3))
def test_knob_codes_are_near_and_stable(log_lmbda: float, bin_size: float) -> None:
    codes = KnobCodes.nearest(10**log_lmbda, bin_size, DEFAULT_KNOTS)
    assert 0 <= codes.bin_size < BIN_CODES
    lmbda, value = codes.values(DEFAULT_KNOTS)
    assert KnobCodes.nearest(lmbda, value, DEFAULT_KNOTS) == codes
    assert abs(math.log10(lmbda) - min(max(log_lmbda, -4), -1.5)) <= 0.51 * 0.5 / LMBDA_STEPS
    assert abs(math.log2(value) - min(max(math.log2(bin_size), -1), 1)) <= 0.51 / 512
    hat = codes.hat(len(DEFAULT_KNOTS))
    assert hat.sum() == LMBDA_STEPS
    assert np.count_nonzero(hat) <= 2


def test_tables_of_the_file_are_those_of_the_code() -> None:
    tables = load_weights(weights_path("small")).tables
    for name, table in numeric_tables.all_tables().items():
        np.testing.assert_array_equal(tables[name], table, err_msg=name)


def test_an_older_file_keeps_its_probabilities_and_has_all_other_tables(tiny: Network) -> None:
    own = {"frequencies", "counts", "lowest"}
    for name, table in numeric_tables.all_tables().items():
        assert np.array_equal(tiny.weights.tables[name], table) == (name not in own), name


def test_every_probability_table_sums_to_one_exactly_and_is_the_mixture() -> None:
    frequencies, counts, lowest = numeric_tables.probability_tables()
    starts = np.cumsum(counts) - counts
    dropped = numeric_tables.dropped_bits()
    for table in np.flatnonzero(counts):
        row = frequencies[starts[table] : starts[table] + counts[table]].astype(np.int64)
        assert row.sum() == 2**24
        assert row.min() >= 1
        index, level = divmod(int(table), MEAN_LEVELS)
        assert level % (1 << dropped[index]) == 0
        numbers = torch.arange(lowest[table], lowest[table] + counts[table] - 1, dtype=torch.float64)
        exact = bin_likelihood(numbers, torch.tensor(level / MEAN_LEVELS), torch.log2(scale_table()[index]))
        assert np.abs(row[:-1] / 2**24 - exact.numpy()).max() < 1e-5


def python_conv(stored: IntegerConvWeights, codes: KnobCodes, x: np.ndarray, limit: int) -> np.ndarray:
    """One convolution in Python's own integers, as the format's page states it."""
    hat = [int(share) for share in codes.hat(stored.u.shape[1])]
    kernel, pad = stored.weight.shape[2], stored.weight.shape[2] // 2
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad))).astype(object)
    out = np.zeros((len(stored.weight), height, width), object)
    for j in range(len(stored.weight)):
        t = sum(int(u) * share for u, share in zip(stored.u[j], hat, strict=True))
        at = t + (16 << 22)
        if at >= 32 << 22:
            scale = t >> 6
        else:
            place, rest = divmod(max(at, 0), 1 << 14)
            left, right = int(SOFTPLUS[place]), int(SOFTPLUS[place + 1])
            scale = left + (((right - left) * rest + (1 << 13)) >> 14)
        bias = (
            sum(int(v) * share for v, share in zip(stored.v[j], hat, strict=True)) + int(stored.d[j]) * codes.log2_bin
        )
        weight = stored.weight[j].astype(object)
        shift = 8 + int(stored.point[j]) - 14
        for row in range(height):
            for column in range(width):
                total = int((weight * padded[:, row : row + kernel, column : column + kernel]).sum())
                product = (2 * total + (1 << shift)) >> (shift + 1) if shift > 0 else total << -shift
                product = min(max(product, -(2**32)), 2**32)
                y = (product * min(scale, 2**20 - 1) + bias + (1 << 21)) >> 22
                out[j, row, column] = min(max(y, -limit), limit - 1)
    return out.astype(np.int64)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([1, 3]), st.integers(0, 5 * LMBDA_STEPS), st.integers(0, BIN_CODES - 1)
)
def test_a_convolution_is_exact_at_the_edge_of_its_range(seed: int, kernel: int, lmbda: int, bin_size: int) -> None:
    draw = np.random.default_rng(seed)
    extreme = draw.random() < 0.5
    weight = draw.integers(-32767, 32768, (3, 5, kernel, kernel)).astype(np.int16)
    if extreme:
        weight[:] = 32767
    stored = IntegerConvWeights(
        weight,
        draw.integers(0, 25, 3).astype(np.int32),
        draw.integers(-(2**17), 2**17, (3, 6)).astype(np.int32),
        draw.integers(-(2**30), 2**30, (3, 6)).astype(np.int32),
        draw.integers(-(2**28), 2**28, 3).astype(np.int32),
    )
    x = draw.integers(-(2**24), 2**24, (5, 3, 4)) if not extreme else np.full((5, 3, 4), 2**24)
    codes = KnobCodes(lmbda, bin_size)
    conv = IntegerConv(stored, SOFTPLUS, 2**15, 2**24, torch.device("cpu")).at(codes)
    found = conv(torch.from_numpy(x).double())
    np.testing.assert_array_equal(found.numpy(), python_conv(stored, codes, x, 2**15))


def test_sums_that_could_round_are_refused() -> None:
    zeros = np.zeros((1, 6), np.int32)
    wide = np.full((1, 2**15, 1, 1), 32767, np.int16)
    stored = IntegerConvWeights(wide, np.zeros(1, np.int32), zeros, zeros, zeros[0, :1])
    with pytest.raises(ValueError, match="2\\^53"):
        IntegerConv(stored, SOFTPLUS, 2**15, 2**24, torch.device("cpu"))


@pytest.mark.usefixtures("no_grad")
def test_memory_layout_changes_nothing(tiny: Network) -> None:
    latents, priors = random_latents(tiny, 3, 5), tiny.conditioned(CODES)
    features = priors.features(priors.activation(latents.w))
    known = priors.activation(np.ascontiguousarray(latents.z[:, ::2, ::2]))
    plain = priors.latent_step(1, [known], features)
    turned = [x.permute(1, 2, 0).contiguous().permute(2, 0, 1) for x in (known, features)]
    other = priors.latent_step(1, [turned[0]], turned[1])
    np.testing.assert_array_equal(plain.table, other.table)
    np.testing.assert_array_equal(plain.floor, other.floor)


@pytest.mark.usefixtures("no_grad")
def test_strips_change_nothing(tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = random_latents(tiny, 5, 3)
    whole, _ = run_priors(latents, tiny.conditioned(CODES))
    monkeypatch.setattr("isorate.codecs.learned.bitstream.integer_priors.STRIP_POSITIONS", 14)
    for one, other in zip(whole, run_priors(latents, tiny.conditioned(CODES))[0], strict=True):
        np.testing.assert_array_equal(one.parameters.table, other.parameters.table)
        np.testing.assert_array_equal(one.parameters.floor, other.parameters.floor)


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("step", range(8))
def test_a_later_symbol_never_changes_an_earlier_ones_parameters(tiny: Network, step: int) -> None:
    latents, priors = random_latents(tiny), tiny.conditioned(CODES)
    before, _ = run_priors(latents, priors)
    changed = Latents(latents.w.copy(), latents.z.copy())
    if step < 4:
        group = len(changed.w) // 4
        changed.w[step * group : (step + 1) * group] += 7
    else:
        ones = [np.zeros((1, *part)) for part in [(tiny.config.latent_channels, 4, 6)] * 4]
        ones[step - 4] += 1
        changed.z[join_steps([torch.from_numpy(one) for one in ones])[0].numpy() > 0] += 7
    after, _ = run_priors(changed, priors)
    for index in range(8):
        same = np.array_equal(before[index].parameters.table, after[index].parameters.table) and np.array_equal(
            before[index].parameters.floor, after[index].parameters.floor
        )
        if index <= step:
            assert same
            assert np.array_equal(before[index].symbols, after[index].symbols) == (index != step)
    assert step == 7 or not all(
        np.array_equal(b.parameters.table, a.parameters.table) for b, a in zip(before[step:], after[step:], strict=True)
    )


@pytest.mark.usefixtures("no_grad")
def test_extreme_symbols_stay_exact_and_can_be_coded(tiny: Network) -> None:
    latents = random_latents(tiny)
    latents.z[:] = np.where(latents.z > 0, SYMBOL_LIMIT, -SYMBOL_LIMIT)
    priors = tiny.conditioned(KnobCodes(0, BIN_CODES - 1))
    steps, _ = run_priors(latents, priors)
    assert write_payload(steps, tiny.tables)


@pytest.mark.usefixtures("no_grad")
@pytest.mark.parametrize("codes", [KnobCodes(0, 512), KnobCodes(2300, 700), KnobCodes(5120, 0)])
def test_integers_follow_the_float_priors(fresh_tiny: Network, codes: KnobCodes, photo: Image) -> None:
    """The float priors on the same numbers: features agree to the grid, bits to a per cent and 64 bytes."""
    network = fresh_tiny
    set_fake_quantize(network.model, True)
    latents = PictureEncoder(network, photo).code(codes).latents
    steps, features = run_priors(latents, network.conditioned(codes))
    step = torch.tensor([network.bin_size(codes)])
    condition = (network.h(codes), torch.tensor([codes.log2_bin / 512.0]))
    w = torch.from_numpy(latents.w)[None].float() * step
    z = torch.from_numpy(latents.z)[None].float() * step
    found = network.model.hyper_synthesis_net(w, condition)
    assert (found[0] * 256 - features).abs().max() <= 8
    expected = 0.0
    for latent, parameters in (
        (z, network.model.latent_prior(z, found, condition)),
        (w, network.model.hyper_prior(w, condition)),
    ):
        cost = bits(latent / step, parameters.mean / step, parameters.log2_scale - torch.log2(step))
        expected += float(cost.clamp(max=41).sum())  # a symbol far out costs an escape
    assert abs(estimated_bits(steps, network.tables) - expected) <= 0.01 * expected + 8 * 64
