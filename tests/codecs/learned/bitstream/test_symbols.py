import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isorate.codecs.learned.bitstream.integer_priors import SYMBOL_LIMIT, StepParameters
from isorate.codecs.learned.bitstream.symbols import ProbabilityTables, SymbolDecoder, SymbolEncoder
from isorate.codecs.learned.bitstream.tables import probability_tables
from isorate.codecs.learned.coding.network import Network
from isorate.errors import BitstreamError

FREQUENCIES, COUNTS, LOWEST = probability_tables()
TABLES = ProbabilityTables(FREQUENCIES, COUNTS, LOWEST)
USED = np.flatnonzero(COUNTS)


def random_step(seed: int, count: int, wild: float) -> tuple[np.ndarray, StepParameters]:
    draw = np.random.default_rng(seed)
    table = draw.choice(USED, count).astype(np.int16)
    floor = draw.integers(-4096, 4096, count).astype(np.int32)
    symbols = floor + np.round(draw.standard_normal(count) * 2.0 ** ((table // 16) * 3 / 16 - 3.25)).astype(np.int32)
    escaped = draw.random(count) < wild
    symbols[escaped] = draw.integers(-SYMBOL_LIMIT, SYMBOL_LIMIT + 1, int(escaped.sum()))
    return symbols.astype(np.int32), StepParameters(table, floor)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 300), st.sampled_from([0, 0.05, 1])), max_size=4))
def test_what_is_written_is_read(steps: list[tuple[int, int, float]]) -> None:
    made = [random_step(*step) for step in steps]
    encoder = SymbolEncoder(TABLES)
    for symbols, parameters in made:
        encoder.encode(symbols, parameters)
    payload = encoder.finish()
    decoder = SymbolDecoder(TABLES, payload)
    for symbols, parameters in made:
        np.testing.assert_array_equal(decoder.decode(parameters), symbols)
    decoder.finish()


@pytest.mark.parametrize("wild", [0, 0.001, 0.5])
def test_real_bytes_are_the_estimated_bits(wild: float) -> None:
    symbols, parameters = random_step(1, 50_000, wild)
    encoder = SymbolEncoder(TABLES)
    encoder.encode(symbols, parameters)
    estimate = TABLES.bits(symbols, parameters) / 8
    assert abs(len(encoder.finish()) - estimate) <= 8 + 0.001 * estimate


def test_constriction_works_with_exactly_the_stored_integers() -> None:
    """Decode chosen 24-bit quantiles: each must fall into the entry whose cumulative frequencies enclose it."""
    for table in USED[::37]:
        row = FREQUENCIES[TABLES.starts[table] : TABLES.starts[table] + COUNTS[table]].astype(np.int64)
        edges = np.concatenate([[0], np.cumsum(row)])
        quantiles = np.unique(np.concatenate([edges[:-1], edges[1:] - 1]))
        words = np.array([[quantile, 1 << 8] for quantile in quantiles], np.uint32)
        for quantile, word in zip(quantiles, words, strict=True):
            coder = constriction.stream.stack.AnsCoder(word)
            entry = int(coder.decode(TABLES.model(int(table)), 1)[0])
            assert edges[entry] <= quantile < edges[entry + 1]


def test_the_range_coders_bytes_are_fixed(tiny: Network) -> None:
    """The stream compatibility of constriction's range coder: bytes pinned when format and tables were made."""
    symbols, parameters = random_step(7, 64, 0.1)
    encoder = SymbolEncoder(tiny.tables)
    encoder.encode(symbols, parameters)
    assert encoder.finish().hex() == PINNED


def test_too_much_or_impossible_data_is_refused() -> None:
    symbols, parameters = random_step(3, 400, 0)
    encoder = SymbolEncoder(TABLES)
    encoder.encode(symbols, parameters)
    payload = encoder.finish()
    decoder = SymbolDecoder(TABLES, payload + b"\1\2\3\4" * 4)
    decoder.decode(parameters)
    with pytest.raises(BitstreamError, match="goes on"):
        decoder.finish()
    with pytest.raises(BitstreamError, match="damaged"):
        SymbolDecoder(TABLES, b"\xff" * 100).decode(parameters)


def test_tables_that_do_not_sum_to_one_are_refused() -> None:
    wrong = FREQUENCIES.copy()
    wrong[5] += 1
    with pytest.raises(ValueError, match="2\\^24"):
        ProbabilityTables(wrong, COUNTS, LOWEST)


PINNED = "e08700002e695b76e0d3771fd9ab5f0a8cb7146c0701fd391e9289c1e31296617e4cd5e39495fadaf7af16a45a257794cc28031c"
