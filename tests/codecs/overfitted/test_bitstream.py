"""Tables, symbols, parameters, waves, header: what both sides of a stream must agree on."""

import zlib
from dataclasses import replace

import constriction
import numpy as np
import pytest

from isorate.codecs.overfitted.bitstream import header, parameters, starts, stream, tables
from isorate.codecs.overfitted.bitstream.header import FIXED, TRAILER, VERSIONS, unpack
from isorate.codecs.overfitted.bitstream.integer_arm import LIMIT, UNIT, IntegerArm
from isorate.codecs.overfitted.bitstream.levels import (
    MOST_SCALES,
    WIDEST_WHOLE,
    LevelCode,
    bits_by_scale,
    level_code,
    scales,
)
from isorate.codecs.overfitted.bitstream.parameters import KINDS, UNIT_BITS, Coding, Reading
from isorate.codecs.overfitted.bitstream.stream import Content
from isorate.codecs.overfitted.bitstream.symbols import Densities, SymbolDecoder, SymbolEncoder, bits
from isorate.codecs.overfitted.model import structure
from isorate.codecs.overfitted.model.structure import CONTEXT, grids
from isorate.errors import BitstreamError


def content(height: int, width: int, seed: int = 0, start: int = starts.PLAIN, version: int = VERSIONS[-1]) -> Content:
    """Latents and nets as no fit makes them: every path of the coder is taken."""
    draw = np.random.default_rng(seed)
    reading = Reading(start, version)
    levels = {name: draw.integers(-2, 3, shape) for name, shape in structure.parameters().items()}
    levels |= {name: np.zeros_like(levels[name]) for name in reading.kept}
    codings = tuple(
        Coding(5, parameters.best_scale(parameters.flat(levels, kind, reading), reading)[0]) for kind in KINDS
    )
    latents = [
        np.rint(draw.laplace(size=(grid.height, grid.width)) * 0.3 * 4**grid.level).astype(np.int64)
        for grid in grids(height, width)
    ]
    return Content(height, width, start, levels, codings, latents, version)


def test_the_stored_tables_are_those_that_the_code_makes() -> None:
    """But for the last bit of exp on this machine."""
    for stored, width in zip(tables.frequencies(), tables.WIDTHS, strict=True):
        np.testing.assert_allclose(stored, tables.compute(width), atol=2)


def test_the_coder_works_with_the_stored_frequencies() -> None:
    rows = np.concatenate([np.arange(0, len(table), 37) for table in tables.frequencies()[:1]])
    table = tables.frequencies()[0]
    for row in rows:
        model = constriction.stream.model.Categorical((table[row] - 1).astype(np.float64), perfect=False)
        entries = np.arange(table.shape[1], dtype=np.int32)
        one, other = (constriction.stream.queue.RangeEncoder() for _ in range(2))
        one.encode(entries, model)
        family = constriction.stream.model.Categorical(perfect=False)
        other.encode(entries, family, np.tile((table[row] - 1).astype(np.float32), (len(entries), 1)))
        np.testing.assert_array_equal(one.get_compressed(), other.get_compressed())


def test_numbers_of_every_density_come_back() -> None:
    draw = np.random.default_rng(0)
    scale = draw.integers(0, tables.SCALES, 5000)
    mean = draw.integers(-500, 500, 5000)
    symbols = np.rint(mean / 16 + draw.laplace(size=5000) * np.exp(scale / 8 - 5)).astype(np.int64)
    symbols[:4] = [-16383, 16383, 300, -300]
    encoder = SymbolEncoder()
    steps = np.split(np.arange(5000), [1, 2, 10, 900, 901])
    for step in steps:
        encoder.encode(symbols[step], Densities(scale[step], mean[step]))
    payload = encoder.finish()
    assert 8 * len(payload) == pytest.approx(bits(symbols, Densities(scale, mean)).sum(), abs=64)
    decoder = SymbolDecoder(payload)
    found = [decoder.decode(Densities(scale[step], mean[step])) for step in steps]
    decoder.finish()
    np.testing.assert_array_equal(np.concatenate(found), symbols)


def test_bits_are_those_of_the_laplace_density() -> None:
    count = 20000
    draw = np.random.default_rng(1)
    scale = draw.integers(8, 56, count)  # 0.02..7.4
    mean = draw.integers(-80, 80, count)
    b = np.exp(scale / 8 - 5)
    symbols = np.rint(mean / 16 + draw.laplace(size=count) * b).astype(np.int64)
    distance = np.abs(symbols - mean / 16)
    near, far = np.exp(-np.abs(distance - 0.5) / b) / 2, np.exp(-(distance + 0.5) / b) / 2
    mass = np.where(distance < 0.5, 1 - near - far, near - far)
    assert bits(symbols, Densities(scale, mean)).sum() == pytest.approx(-np.log2(mass).sum(), rel=0.004)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (33, 70), (64, 64)])
@pytest.mark.parametrize("start", starts.NUMBERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_streams_come_back(size: tuple[int, int], start: int, version: int) -> None:
    given = content(*size, seed=sum(size), start=start, version=version)
    data = stream.write(given)
    found = stream.read(data)
    assert found.version == data[2] == version
    for a, b in zip(given.latents, found.latents, strict=True):
        np.testing.assert_array_equal(a, b)
    for name, levels in given.levels.items():
        np.testing.assert_array_equal(levels, found.levels[name])
    counted = stream.count_bits(given)
    total = counted.parameters + sum(cost for _, cost in counted.grids)
    assert 8 * len(unpack(data)[1]) == pytest.approx(total, abs=64)


def test_empty_grids_cost_nothing() -> None:
    full = content(48, 64)
    empty = replace(full, latents=[*full.latents[:-1], np.zeros_like(full.latents[-1])])
    found = stream.read(stream.write(empty))
    assert not found.latents[-1].any()
    assert stream.count_bits(empty).grids[-1][1] == 0


def test_the_context_model_does_not_depend_on_the_order_of_sums() -> None:
    arm = IntegerArm(content(8, 8).params)
    draw = np.random.default_rng(0)
    context = np.rint(draw.normal(size=(CONTEXT + 1, 500)) * 5000)
    context[:, :50] = np.sign(context[:, :50]) * LIMIT  # the largest sums
    context[CONTEXT] = UNIT
    found = arm.densities(context)
    one_by_one = [arm.densities(context[:, [place]]) for place in range(500)]
    np.testing.assert_array_equal(found.scale, np.concatenate([d.scale for d in one_by_one]))
    np.testing.assert_array_equal(found.mean, np.concatenate([d.mean for d in one_by_one]))
    # Exact: the same in integers of any length.
    layers = [weight.astype(np.int64).astype(object) for weight in arm._hidden]
    x = h = context.astype(np.int64).astype(object)
    for weight in layers:
        h = np.clip((weight @ h + UNIT // 2) // UNIT, 0, int(LIMIT))
    out = (arm._out.astype(np.int64).astype(object) @ h + arm._linear.astype(np.int64).astype(object) @ x + 512) // UNIT
    mean = np.clip((out[0] * 16 + 512) // UNIT, -int(LIMIT), int(LIMIT))
    np.testing.assert_array_equal(found.mean, mean.astype(np.int64))


@pytest.mark.parametrize("number", starts.NUMBERS)
def test_starts_of_the_context_model_are_multiples_of_the_unit(number: int) -> None:
    for kind in KINDS:
        for name in kind.names:
            scaled = starts.start(number)[name] * 2**UNIT_BITS
            assert kind.finest != UNIT_BITS or (scaled == np.rint(scaled)).all()


def sealed(body: bytes | bytearray) -> bytes:
    return bytes(body) + TRAILER.pack(zlib.crc32(bytes(body)))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (2, 9, "format version 9"),
        (3, 200, "start 200"),
        (4, 0xFF, "no more than 10 grids"),
        (6, 11, "step or scale"),
        (7, MOST_SCALES, "step or scale"),
        (18, 0, "checksum of the latents"),
    ],
)
def test_headers_that_cannot_be_are_refused(place: int, value: int, said: str) -> None:
    data = bytearray(stream.write(content(8, 8)))
    assert data[place] != value
    data[place] = value
    with pytest.raises(BitstreamError, match=said):
        stream.read(sealed(data[: -TRAILER.size]))


def test_scales_of_low_bits_are_refused_in_version_1() -> None:
    data = bytearray(stream.write(content(8, 8, version=1)))
    data[7] = tables.SCALES
    with pytest.raises(BitstreamError, match="step or scale"):
        stream.read(sealed(data[: -TRAILER.size]))


@pytest.mark.parametrize("scale", [0, 40, WIDEST_WHOLE, WIDEST_WHOLE + 1, 70, 76, 90, 110])
def test_levels_of_every_scale_come_back_in_about_the_bits_of_their_density(scale: int) -> None:
    b = np.exp(scale / 8 - 5)
    levels = np.rint(np.random.default_rng(scale).laplace(size=4000) * b).astype(np.int64).clip(-16383, 16383)
    code = level_code(scale, 2)
    encoder = SymbolEncoder()
    code.encode(encoder, levels)
    payload = encoder.finish()
    assert 8 * len(payload) == pytest.approx(code.bits(levels).sum(), abs=64)
    np.testing.assert_array_equal(code.decode(SymbolDecoder(payload), len(levels)), levels)
    distance = np.abs(levels)
    near, far = np.exp(-np.abs(distance - 0.5) / b) / 2, np.exp(-(distance + 0.5) / b) / 2
    ideal = -np.log2(np.where(distance == 0, 1 - near - far, near - far)).sum()
    assert code.bits(levels).sum() == pytest.approx(ideal, rel=0.01, abs=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bits_under_every_scale_at_once_are_those_of_each(version: int) -> None:
    levels = np.unique(np.rint(np.random.default_rng(0).laplace(size=300) * 900).astype(np.int64))
    each = [level_code(scale, version).bits(levels) for scale in scales(version)]
    np.testing.assert_array_equal(bits_by_scale(levels, version), each)


def test_a_level_out_of_range_is_damage() -> None:
    code = LevelCode(90, 5)
    encoder = SymbolEncoder()
    code.encode(encoder, np.array([1 << 14]))
    with pytest.raises(BitstreamError, match="out of range"):
        code.decode(SymbolDecoder(encoder.finish()), 1)


def test_wide_levels_cost_less_than_in_version_1() -> None:
    levels = np.rint(np.random.default_rng(0).laplace(size=500) * 100).astype(np.int64)
    costs = [parameters.best_scale(levels, Reading(starts.PLAIN, version))[1] for version in VERSIONS]
    assert costs[1] < 0.8 * costs[0]


def test_a_small_file_cannot_claim_a_giant_picture() -> None:
    data = stream.write(content(8, 8))
    body = data[: FIXED.size] + b"\x80\x20\x80\x20"  # 4096 × 4096
    with pytest.raises(BitstreamError, match="4096×4096 pixels is not possible in 30 bytes"):
        unpack(sealed(body))


@pytest.mark.parametrize("nets", ["the start's", "own"])
def test_a_flat_picture_is_padded_to_what_the_limit_asks(nets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, size = content(1, 1), (200, 330)
    flat = replace(
        given, height=200, width=330, latents=[np.zeros((g.height, g.width), np.int64) for g in grids(*size)]
    )
    if nets == "the start's":
        flat = replace(flat, levels={name: np.zeros_like(v) for name, v in given.levels.items()})
        flat = replace(flat, codings=tuple(Coding(5, 0) for _ in KINDS))
    plain = stream.write(flat)
    # 66,000 pixels in the place of 32 millions
    monkeypatch.setattr(header, "FREE_PIXELS", 2**14)
    monkeypatch.setattr(header, "PIXELS_PER_BYTE", 2**6)
    with pytest.raises(BitstreamError, match="330×200 pixels is not possible"):
        stream.read(plain)
    padded = stream.write(flat)
    assert len(padded) == 776 > len(plain) + 4  # (66000 - 2^14) / 2^6
    found = stream.read(padded)
    assert (found.height, found.width, found.crc) == (*size, flat.crc)
