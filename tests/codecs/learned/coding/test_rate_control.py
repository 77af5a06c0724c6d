from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from isorate.api import match
from isorate.codecs.base import Knob
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.learned.coding.rate_control import best_trade_off, refined_to_size
from isorate.codecs.learned.coding.refinement import SCHEDULES
from isorate.image import Image
from isorate.matching.outcome import Policy
from isorate.matching.two_knobs import TwoKnobs

TARGETS = (0.12, 0.18, 0.25, 0.35, 0.5)


@pytest.fixture(scope="module")
def crops() -> list[Image]:
    from skimage import data

    images = (data.astronaut(), data.coffee(), data.chelsea())
    return [np.ascontiguousarray(image[20:276, 100:356]) for image in images]


def error(codec: LearnedCodec, data: bytes, image: Image) -> float:
    return float(np.square(codec.decode(data) / 255 - image / 255).mean())


def test_the_real_file_is_within_half_a_per_cent_in_four_passes(codec: LearnedCodec, crops: list[Image]) -> None:
    found = [match(codec, image, bpp) for image in crops for bpp in TARGETS]
    assert all(abs(one.residual_pct) <= 0.5 for _, one in found)
    assert np.median([one.passes or 0 for _, one in found]) <= 4
    assert codec.encode(crops[0], bpp=TARGETS[0]) == found[0][0]


def test_the_passes_are_those_of_this_search(codec: LearnedCodec, crops: list[Image]) -> None:
    passes = [match(codec, image, 0.3)[1].passes or 0 for image in (crops[1], crops[0], crops[0])]
    assert all(2 <= count <= 2 * 24 for count in passes[:2])
    assert passes[2] < passes[1], "the picture's latents at the last λ may still be there"


def test_a_rate_out_of_reach_gives_the_nearest_and_says_so(codec: LearnedCodec, crops: list[Image]) -> None:
    (_, low), (_, high) = match(codec, crops[0], 0.005), match(codec, crops[0], 50)
    assert low.unreachable
    assert high.unreachable
    assert low.residual_pct > 0.5
    assert high.residual_pct < -0.5
    assert low.best.knobs == pytest.approx((codec.knob.high, 2.0))
    assert high.best.knobs == pytest.approx((codec.knob.low, 0.5))


@pytest.mark.parametrize("effort", [0, 1, 2, 3])
def test_tiny_pictures_have_a_nearest_too(
    crops: list[Image], tiny_path: Path, effort: Literal[0, 1, 2, 3], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_steps = replace(SCHEDULES[2], steps=2)
    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.SCHEDULES", {2: two_steps, 3: two_steps})
    codec = LearnedCodec(str(tiny_path), effort=effort, threads=1)
    data, _ = match(codec, crops[0][:1, :1], 300)
    assert codec.decode(data).shape == (1, 1, 3)


def test_both_knobs_are_driven(codec: LearnedCodec, crops: list[Image]) -> None:
    data, found = match(codec, crops[1], 0.3)
    assert abs(found.residual_pct) <= 0.5
    assert codec.encode(crops[1], *found.best.knobs) == data


@pytest.mark.parametrize("tolerance_pct", [0.5, 0.05])
def test_effort_1_chooses_the_best_picture_at_every_tolerance(
    codec: LearnedCodec, crops: list[Image], astronaut: Image, tiny_path: Path, tolerance_pct: float
) -> None:
    careful = LearnedCodec(str(tiny_path), effort=1, threads=1)
    bpp, images = (0.3, crops) if tolerance_pct == 0.5 else (0.5, [astronaut])  # sizes go in steps of 4 bytes
    better_somewhere = False
    for image in images:
        plain, _ = match(codec, image, bpp, tolerance_pct=tolerance_pct)
        data, found = match(careful, image, bpp, tolerance_pct=tolerance_pct)
        assert len(data) == found.best.num_bytes
        assert found.best in found.trace
        assert abs(found.residual_pct) <= tolerance_pct
        tried = [probe.fine or 0 for probe in found.trace]
        assert max(tried) / min(tried) > 1.6, "other Δ were not tried"
        assert error(codec, data, image) <= error(codec, plain, image)
        better_somewhere |= data != plain
    assert better_somewhere or tolerance_pct < 0.5


@pytest.mark.parametrize("tolerance_pct", [0.5, 0.05])
@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("sign", [1, -1])
def test_effort_1_keeps_what_has_the_smallest_error(policy: Policy, tolerance_pct: float, sign: int) -> None:
    """An error that falls, or rises, with Δ alone: the largest, or smallest, Δ tried must win."""
    fine = Knob("bin_size", 0.5, 2.0, integer=False, rising=False, typical=((0.5, 1.74), (1.0, 1.0), (2.0, 0.57)))
    coarse = Knob("lmbda", 1e-4, 10**-1.5, integer=False, rising=False)
    found = best_trade_off(
        lambda lmbda, bin_size: round(300_000 * (lmbda / 1e-3) ** -0.45 * bin_size**-0.8),
        TwoKnobs(coarse, lambda _: fine, lambda _: 1.0), 250_000,
        num_pixels=768 * 512, tolerance_pct=tolerance_pct, policy=policy, error=lambda probe: sign * (probe.fine or 0),
    )  # fmt: skip
    assert found.within(tolerance_pct, policy)
    assert found.best in found.trace
    low, high = -tolerance_pct, 0 if policy is Policy.AT_MOST else tolerance_pct
    fitting = {sign * (p.fine or 0) for p in found.trace if low <= 100 * (p.num_bytes / 250_000 - 1) <= high}
    assert len(fitting) >= 3
    assert found.best.fine is not None
    assert sign * found.best.fine == min(fitting)


@pytest.mark.parametrize("effort", [0, 1])
def test_at_most_holds_at_every_effort(crops: list[Image], tiny_path: Path, effort: Literal[0, 1]) -> None:
    codec = LearnedCodec(str(tiny_path), effort=effort, threads=1)
    for image in crops:
        _, found = match(codec, image, 0.3, policy="at-most")
        assert -0.5 <= found.residual_pct <= 0


def test_effort_2_takes_one_descent_for_a_rate(
    crops: list[Image], tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.SCHEDULES", {2: replace(SCHEDULES[2], steps=24)})
    image = crops[2][:128, :128].copy()
    careful = LearnedCodec(str(tiny_path), effort=2, threads=1)
    data, found = match(careful, image, 0.6)
    assert abs(found.residual_pct) <= 0.5
    assert len(found.trace) == 1
    again = LearnedCodec(str(tiny_path), effort=2, threads=1)
    assert again.encode(image, *found.best.knobs) == data, "a file depends on the picture and the knobs alone"


def test_effort_2_descends_again_where_the_first_size_does_not_do() -> None:
    """Refined files of 1 % more than the plain ones: the second descent makes up for it, at most the policy too."""
    fine = Knob("bin_size", 0.5, 2.0, integer=False, rising=False, typical=((0.5, 0.8), (1.0, 0.5), (2.0, 0.3)))
    coarse = Knob("lmbda", 1e-4, 10**-1.5, integer=False, rising=False)

    def plain_size(lmbda: float, bin_size: float) -> int:
        return int(300_000 * (lmbda / 1e-3) ** -0.45 * bin_size**-0.8)

    def refined_size(lmbda: float, bin_size: float) -> int:
        descents.append((lmbda, bin_size))
        return round(1.01 * plain_size(lmbda, bin_size))

    for policy, high in ((Policy.NEAREST, 0.1), (Policy.AT_MOST, 0.0), (Policy.STRICT, 0.1)):
        descents: list[tuple[float, float]] = []
        found = refined_to_size(
            refined_size, plain_size, TwoKnobs(coarse, lambda _: fine, lambda _: 1.0), 250_000,
            num_pixels=768 * 512, tolerance_pct=0.1, policy=policy,
        )  # fmt: skip
        assert -0.1 <= found.residual_pct <= high
        assert [probe.knobs for probe in found.trace] == descents
        assert 2 <= len(descents) <= 4


def test_a_probe_of_the_fine_knob_does_not_analyse_again(codec: LearnedCodec, crops: list[Image]) -> None:
    codec.encode(crops[0], 0.01, 1.0)
    held = codec._held()
    assert held is not None
    before = held.passes
    codec.encode(crops[0], 0.01, 1.2)
    assert held.passes == before + 1


@pytest.mark.parametrize("target", [0.2, None])
def test_effort_2_is_better(
    codec: LearnedCodec, crops: list[Image], tiny_path: Path, monkeypatch: pytest.MonkeyPatch, target: float | None
) -> None:
    """Fewer steps than usual: the picture is better, the size the same."""
    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.SCHEDULES", {2: replace(SCHEDULES[2], steps=60)})
    image = crops[2][:128, :128].copy()
    refined = LearnedCodec(str(tiny_path), effort=2, threads=1)
    if target is None:
        one, two = codec.encode(image, 0.01), refined.encode(image, 0.01)
        assert abs(len(two) - len(one)) <= 4
        costs = [error(codec, data, image) for data in (one, two)]
    else:
        one, (two, found) = match(codec, image, target)[0], match(refined, image, target)
        assert abs(found.residual_pct) <= 0.5
        costs = [error(codec, data, image) for data in (one, two)]
    assert costs[1] < costs[0]
