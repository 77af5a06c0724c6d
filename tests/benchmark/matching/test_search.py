import math
import statistics
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isorate.codecs.base import Codec, Knob
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.errors import MatchError
from isorate.image import Image
from isorate.matching.outcome import Policy
from isorate.matching.search import MAX_PROBES, match_size

PIXELS = 768 * 512


def knob(
    *,
    integer: bool = False,
    rising: bool = True,
    low: float = 1.0,
    high: float = 100.0,
    log: bool = True,
    typical: tuple[tuple[float, float], ...] = (),
) -> Knob:
    return Knob("k", low, high, integer=integer, rising=rising, log=log, typical=typical)


@st.composite
def monotone_curves(draw: st.DrawFn) -> list[int]:
    """Sizes at 1..100 of an encoder whose files never shrink as its knob rises, plateaus and jumps included."""
    steps = draw(st.lists(st.sampled_from([0, 0, 1, 3, 50, 400, 9000]), min_size=100, max_size=100))
    return list(np.cumsum(steps) + draw(st.integers(1, 5000)))


@given(monotone_curves(), st.booleans(), st.booleans(), st.floats(1, 1e6))
def test_an_integer_knob_gives_the_nearest_of_all_values(
    sizes: list[int], rising: bool, log: bool, target: float
) -> None:
    table = sizes if rising else sizes[::-1]
    found = match_size(
        lambda k: table[int(k) - 1],
        knob(integer=True, rising=rising, log=log),
        target,
        num_pixels=PIXELS,
        max_probes=100,
    )
    nearest = min(abs(math.log(size / target)) for size in sizes)
    assert abs(math.log(found.best.num_bytes / target)) == pytest.approx(nearest)
    assert found.best.num_bytes == table[int(found.best.knob) - 1]
    assert found.monotone


@given(monotone_curves(), st.booleans(), st.floats(1, 1e6))
def test_at_most_gives_the_largest_that_fits(sizes: list[int], rising: bool, target: float) -> None:
    table = sizes if rising else sizes[::-1]
    found = match_size(
        lambda k: table[int(k) - 1], knob(integer=True, rising=rising), target,
        num_pixels=PIXELS, policy=Policy.AT_MOST, max_probes=100,
    )  # fmt: skip
    fitting = [size for size in sizes if size <= target]
    assert found.best.num_bytes == (max(fitting) if fitting else min(sizes))
    assert found.unreachable or fitting


@given(st.floats(0.3, 3), st.floats(2, 12), st.booleans(), st.floats(0.02, 0.98), st.floats(0, 0.4))
def test_a_continuous_knob_is_matched_within_the_tolerance(
    power: float, offset: float, rising: bool, share: float, bend: float
) -> None:
    def size(k: float) -> int:
        x = math.log(k) / math.log(100)
        x = x if rising else 1 - x
        return round(math.exp(offset + 4 * power * (x + bend * x * (1 - x))))

    low, high = sorted((size(1.0), size(100.0)))
    target = math.exp((1 - share) * math.log(low) + share * math.log(high))
    found = match_size(size, knob(rising=rising), target, num_pixels=PIXELS)
    assert abs(found.residual_pct) <= 0.5 or 1 / target > 0.004  # files of a few bytes have no size within 0.5 %
    assert found.best in found.trace
    assert not found.unreachable


@given(st.lists(st.integers(1, 10**6), min_size=30, max_size=30), st.floats(1, 1e6))
def test_sizes_in_any_order_still_give_the_best_probe_and_say_so(sizes: list[int], target: float) -> None:
    found = match_size(lambda k: sizes[int(k) - 1], knob(integer=True, high=30.0), target, num_pixels=PIXELS)
    probed = [probe.num_bytes for probe in found.trace]
    assert abs(math.log(found.best.num_bytes / target)) == min(abs(math.log(size / target)) for size in probed)
    ordered = [probe.num_bytes for probe in sorted(found.trace, key=lambda p: p.knob)]
    assert found.monotone == (ordered == sorted(ordered))
    assert len(found.trace) <= MAX_PROBES + 4


@given(st.floats(0.5, 2.0))
def test_no_value_is_encoded_twice(target: float) -> None:
    seen = []

    def size(k: float) -> int:
        seen.append(k)
        return 1000 + 100 * (k > 7.5)  # one plateau's edge: the worst case for interpolation

    found = match_size(size, knob(), target * 1050, num_pixels=PIXELS)
    assert len(seen) == len(set(seen)) == len(found.trace)


def test_the_best_probe_is_returned_not_the_last() -> None:
    sizes = {1: 100, 2: 200, 3: 400, 4: 500, 5: 1000}
    found = match_size(lambda k: sizes[int(k)], knob(integer=True, high=5.0), 395, num_pixels=1000)
    assert found.best.knob == 3
    assert found.best.num_bytes == 400


@pytest.mark.parametrize(("target", "end"), [(10.0, 100), (1e9, 8100)])
@pytest.mark.parametrize("integer", [True, False])
def test_an_unreachable_rate_gives_the_end_of_the_range_and_is_marked(target: float, end: int, integer: bool) -> None:
    found = match_size(lambda k: 20 + int(80 * k) + 80 * (k == 100), knob(integer=integer), target, num_pixels=PIXELS)
    assert found.unreachable
    assert found.best.num_bytes == end
    assert found.residual_pct == pytest.approx(100 * (end / target - 1))


def dip(k: float) -> int:
    """Sizes that fall towards the knob's high end and rise again behind 70: a quantizer before a general compressor."""
    return round(20_000 / k if k <= 70 else 20_000 / 70 * (1 + (k - 70) / 30))


@pytest.mark.parametrize("target", [290.0, 310.0, 400.0, 550.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_an_end_of_the_range_that_is_no_extreme_does_not_end_the_search(target: float, mirrored: bool) -> None:
    found = match_size(
        lambda k: dip(101 - k if mirrored else k), knob(rising=mirrored, log=False), target, num_pixels=30_000
    )
    assert abs(found.residual_pct) <= 0.5
    assert not found.unreachable
    assert len(found.trace) <= MAX_PROBES


@pytest.mark.parametrize("integer", [True, False])
def test_what_contradicts_the_knob_proves_no_rate_unreachable(integer: bool) -> None:
    found = match_size(dip, knob(integer=integer, rising=False, log=False), 250, num_pixels=30_000)
    assert not found.monotone
    assert not found.unreachable
    assert found.best.num_bytes == min(probe.num_bytes for probe in found.trace)
    assert len(found.trace) <= MAX_PROBES


def test_strict_fails_outside_the_tolerance_and_names_the_nearest() -> None:
    with pytest.raises(MatchError, match=r"nearest size 400 bytes at k 3 is \+33\.33 % off the target 300"):
        match_size(lambda k: int(k) ** 2 * 50 - 50, knob(integer=True, low=2.0, high=9.0), 300,
                   num_pixels=PIXELS, policy=Policy.STRICT)  # fmt: skip


def test_strict_accepts_what_is_inside() -> None:
    found = match_size(lambda k: round(1000 * k), knob(), 31_415, num_pixels=PIXELS, policy=Policy.STRICT)
    assert abs(found.residual_pct) <= 0.5


@pytest.mark.parametrize("target", [0, -1, math.nan, math.inf])
def test_a_target_that_is_no_size_is_refused(target: float) -> None:
    with pytest.raises(MatchError, match="positive number"):
        match_size(lambda _: 1, knob(), target, num_pixels=PIXELS)


def test_a_wrong_typical_curve_costs_probes_only() -> None:
    wrong = knob(typical=((1.0, 9.0), (50.0, 9.1), (100.0, 9.2)))
    found = match_size(lambda k: round(100 * k**1.7), wrong, 20_000, num_pixels=PIXELS)
    assert abs(found.residual_pct) <= 0.5


def test_the_targets_own_size_ends_the_search_at_once() -> None:
    typical = ((1.0, 8 * 1000 / PIXELS), (100.0, 8 * 100_000 / PIXELS))
    found = match_size(lambda k: round(1000 * k), knob(integer=True, typical=typical), 10_000, num_pixels=PIXELS)
    assert [probe.knob for probe in found.trace] == [10]


def encoded_size(codec: Codec, image: Image, value: float) -> int:
    return len(codec.encode(image, value))


@pytest.mark.parametrize("codec", [Jpeg(), Jpeg2000()], ids=["jpeg", "jpeg2000"])
def test_real_continuous_codecs_match_in_four_encodes(codec: Codec, astronaut: Image, coffee: Image) -> None:
    encodes, residuals = [], []
    for image in (astronaut, coffee):
        num_pixels = image.shape[0] * image.shape[1]
        for rate in (0.15, 0.25, 0.5, 1.0, 2.0):
            found = match_size(
                partial(encoded_size, codec, image),
                codec.knob,
                rate * num_pixels / 8,
                num_pixels=num_pixels,
            )
            encodes.append(len(found.trace))
            residuals.append(abs(found.residual_pct))
    assert statistics.median(encodes) <= 4
    assert statistics.median(residuals) <= 0.5
    assert max(residuals) < 2  # plateaus


@settings(max_examples=6, deadline=None)
@given(st.floats(0.1, 4))
def test_the_nearest_integer_quality_is_proven_against_all_hundred(rate: float) -> None:
    from skimage import data

    image = data.astronaut()[:192, 100:292]
    codec = Jpeg(mode="integer")
    sizes = [len(codec.encode(image, quality)) for quality in range(1, 101)]
    target = rate * image.shape[0] * image.shape[1] / 8
    found = match_size(lambda k: sizes[int(k) - 1], codec.knob, target, num_pixels=image.shape[0] * image.shape[1])
    assert abs(math.log(found.best.num_bytes / target)) == min(abs(math.log(size / target)) for size in sizes)
    assert len(found.trace) <= 8
