"""The search with another objective: what a file's pixels measure, in place of its bytes."""

import math
import statistics
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isorate.codecs.base import Codec, Knob
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.webp import WebP
from isorate.errors import MatchError
from isorate.image import Image
from isorate.matching.goal import QualityGoal
from isorate.matching.outcome import Policy
from isorate.matching.search import match_quality
from isorate.matching.two_knobs import TwoKnobs, match_two_knobs_to_quality
from isorate.metrics import psnr

PIXELS = 768 * 512


def knob(*, integer: bool = False, rising: bool = True) -> Knob:
    return Knob("k", 1.0, 100.0, integer=integer, rising=rising)


@st.composite
def qualities(draw: st.DrawFn) -> list[float]:
    """Qualities at 1..100 that never fall as the knob rises, plateaus and jumps included; the last may be infinite."""
    steps = draw(st.lists(st.sampled_from([0, 0, 0.01, 0.4, 2.0]), min_size=100, max_size=100))
    found = list(map(float, np.cumsum(steps) + draw(st.floats(10, 40))))
    return [*found[:-1], math.inf] if draw(st.booleans()) else found


@given(qualities(), st.booleans(), st.floats(5, 90), st.floats(0.05, 4))
def test_an_integer_knob_gives_the_nearest_of_all_values(
    rising_: list[float], rising: bool, target: float, start: float
) -> None:
    table = rising_ if rising else rising_[::-1]
    found = match_quality(
        lambda k: (round(100 * k), table[int(k) - 1]),
        knob(integer=True, rising=rising),
        QualityGoal(target, 0.02, start_bpp=start),
        num_pixels=PIXELS,
        max_probes=100,
    )
    assert abs(found.gap) == pytest.approx(min(abs(value - target) for value in rising_))
    assert found.best.quality == table[int(found.best.knob) - 1]
    assert found.unreachable == (target > max(rising_) or target < min(rising_))
    assert found.monotone


@given(st.floats(1, 12), st.booleans(), st.floats(0.05, 0.95), st.floats(0.05, 4), st.floats(1, 30))
def test_a_continuous_knob_is_matched_within_the_tolerance(
    slope: float, rising: bool, share: float, start: float, per_doubling: float
) -> None:
    def quality(k: float) -> tuple[int, float]:
        x = math.log(k) if rising else math.log(100 / k)
        return round(1000 * k), 20 + slope * x + 0.3 * x * x

    low, high = sorted((quality(1.0)[1], quality(100.0)[1]))
    goal = QualityGoal(low + share * (high - low), 0.02, start_bpp=start, per_doubling=per_doubling)
    found = match_quality(quality, knob(rising=rising), goal, num_pixels=PIXELS)
    assert abs(found.gap) <= 0.02
    assert len(found.trace) <= 12


def test_what_contradicts_the_knob_is_said_and_its_neighbours_tried() -> None:
    table = {20: 31.0, 21: 33.4, 22: 31.9, 23: 32.6, 24: 33.0}

    def quality(k: float) -> tuple[int, float]:
        return round(k), table.get(int(k), 20 + k / 2)

    found = match_quality(quality, knob(integer=True), QualityGoal(32.5, 0.02), num_pixels=PIXELS, max_probes=100)
    if any(probe.knob == 21 for probe in found.trace) and any(probe.knob == 22 for probe in found.trace):
        assert not found.monotone
    assert found.best.quality == 32.6


def test_strict_refuses_a_gap_and_nearest_does_not() -> None:
    def whole(k: float) -> tuple[int, float]:
        return round(k), 20 + k

    kind = knob(integer=True)
    assert match_quality(whole, kind, QualityGoal(30.4, 0.02), num_pixels=PIXELS).gap == pytest.approx(-0.4)
    with pytest.raises(MatchError, match=r"nearest quality at k 10 is -0.400 off the target 30.400"):
        match_quality(whole, kind, QualityGoal(30.4, 0.02, Policy.STRICT), num_pixels=PIXELS)


@pytest.mark.parametrize(
    ("goal", "said"),
    [(QualityGoal(math.inf, 1), "finite"), (QualityGoal(30, 1, Policy.AT_MOST), "at-most is of sizes")],
)
def test_what_no_file_can_be_driven_to_is_refused(goal: QualityGoal, said: str) -> None:
    with pytest.raises(MatchError, match=said):
        match_quality(lambda _: (1, 30.0), knob(), goal, num_pixels=PIXELS)


@given(st.floats(27, 43))
def test_two_knobs_coarse_then_fine(target: float) -> None:
    calls: list[tuple[float, float]] = []

    def quality(lmbda: float, bin_size: float) -> tuple[int, float]:
        calls.append((lmbda, bin_size))
        return round(3e4 * (lmbda / 1e-3) ** -0.45 * bin_size**-0.8), 35 - 4 * math.log10(
            lmbda / 1e-3
        ) - 1.5 * math.log2(bin_size)

    coarse = Knob("lmbda", 1e-5, 0.1, integer=False, rising=False)
    fine = Knob("bin_size", 0.5, 2.0, integer=False, rising=False, typical=((0.5, 2.0), (2.0, 0.5)))
    found = match_two_knobs_to_quality(
        quality, TwoKnobs(coarse, lambda _: fine, lambda _: 1.0), QualityGoal(target, 0.02), num_pixels=PIXELS
    )
    assert abs(found.gap) <= 0.02
    assert quality(*found.best.knobs) == (found.best.num_bytes, found.best.quality)
    assert len({lmbda for lmbda, bin_size in calls if bin_size == 1.0}) >= 1
    assert len({lmbda for lmbda, bin_size in calls if bin_size != 1.0}) <= 1


@pytest.mark.parametrize("codec", [Jpeg(), WebP()], ids=["jpeg", "webp"])
def test_real_codecs_reach_a_quality_in_five_encodes(codec: Codec, photo: Image) -> None:
    def measured(image: Image, value: float) -> tuple[int, float]:
        data = codec.encode(image, value)
        return len(data), psnr(image, codec.decode(data))

    encodes, gaps = [], []
    for target, rate in ((27, 0.3), (29, 0.5), (31, 0.8), (33, 1.2), (35, 1.8)):
        goal = QualityGoal(target, 0.02, start_bpp=rate)
        found = match_quality(partial(measured, photo), codec.knob, goal, num_pixels=photo.shape[0] * photo.shape[1])
        encodes.append(len(found.trace))
        gaps.append(abs(found.gap))
    assert statistics.median(encodes) <= 5
    assert statistics.median(gaps) <= 0.02
