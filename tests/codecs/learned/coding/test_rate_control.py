from pathlib import Path

import numpy as np
import pytest

from isorate.codecs.learned import LearnedCodec
from isorate.image import Image
from isorate.matching.codec import match

TARGETS = (0.12, 0.18, 0.25, 0.35, 0.5)


@pytest.fixture(scope="module")
def crops() -> list[Image]:
    from skimage import data

    images = (data.astronaut(), data.coffee(), data.chelsea())
    return [np.ascontiguousarray(image[20:276, 100:356]) for image in images]


def test_the_real_file_is_within_half_a_per_cent_in_four_passes(codec: LearnedCodec, crops: list[Image]) -> None:
    found = [codec.match(image, bpp) for image in crops for bpp in TARGETS]
    assert all(abs(one.residual_pct) <= 0.5 for one in found)
    assert np.median([one.passes for one in found]) <= 4
    assert codec.encode(crops[0], bpp=TARGETS[0]) == found[0].coded.data


def test_a_rate_out_of_reach_gives_the_nearest_and_says_so(codec: LearnedCodec, crops: list[Image]) -> None:
    low, high = codec.match(crops[0], 0.005), codec.match(crops[0], 50)
    assert low.residual_pct > 0.5
    assert high.residual_pct < -0.5
    assert low.coded.codes.lmbda == 0
    assert low.coded.codes.bin_size == 1024
    assert high.coded.codes.bin_size == 0


def test_tiny_pictures_have_a_nearest_too(codec: LearnedCodec, crops: list[Image]) -> None:
    found = codec.match(crops[0][:1, :1], 300)
    assert codec.decode(found.coded.data).shape == (1, 1, 3)


def test_effort_1_is_no_worse_at_the_same_rate(codec: LearnedCodec, crops: list[Image], tiny_path: Path) -> None:
    careful = LearnedCodec(str(tiny_path), effort=1, threads=1)
    for image in crops[:2]:
        plain, better = codec.match(image, 0.3), careful.match(image, 0.3)
        assert abs(better.residual_pct) <= 0.5
        errors = [np.square(codec.decode(one.coded.data).astype(float) - image).mean() for one in (plain, better)]
        assert errors[1] <= errors[0]


def test_the_suites_matcher_drives_both_knobs(codec: LearnedCodec, crops: list[Image]) -> None:
    data, found = match(codec, crops[1], 0.3)
    assert abs(found.residual_pct) <= 0.5
    assert codec.encode(crops[1], *found.best.knobs) == data


def test_effort_1_works_through_the_suites_matcher(crops: list[Image], tiny_path: Path) -> None:
    careful = LearnedCodec(str(tiny_path), effort=1, threads=1)
    data, found = match(careful, crops[1], 0.3)
    assert data == careful.match(crops[1], 0.3).coded.data
    assert len(found.trace) == 1


def test_effort_2_takes_one_descent_for_a_rate(
    crops: list[Image], tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.STEPS", 24)
    image = crops[2][:128, :128].copy()
    careful = LearnedCodec(str(tiny_path), effort=2, threads=1)
    found = careful.match(image, 0.6)
    assert abs(found.residual_pct) <= 0.5
    data, suite = match(careful, image, 0.6)
    assert data == found.coded.data
    assert len(suite.trace) == 1
    again = LearnedCodec(str(tiny_path), effort=2, threads=1)
    assert again.encode(image, *suite.best.knobs) == data, "a file depends on the picture and the knobs alone"


def test_a_probe_of_the_fine_knob_does_not_analyse_again(codec: LearnedCodec, crops: list[Image]) -> None:
    codec.encode(crops[0], 0.01, 1.0)
    assert codec._last is not None
    before = codec._last[1].passes
    codec.encode(crops[0], 0.01, 1.2)
    assert codec._last[1].passes == before + 1


@pytest.mark.parametrize("target", [0.2, None])
def test_effort_2_is_better(
    codec: LearnedCodec, crops: list[Image], tiny_path: Path, monkeypatch: pytest.MonkeyPatch, target: float | None
) -> None:
    """Fewer steps than usual: the picture is better, the size the same."""
    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.STEPS", 24)
    image = crops[2][:128, :128].copy()
    refined = LearnedCodec(str(tiny_path), effort=2, threads=1)
    if target is None:
        one, two = codec.encode(image, 0.01), refined.encode(image, 0.01)
        assert abs(len(two) - len(one)) <= 4
    else:
        found = refined.match(image, target)
        assert abs(found.residual_pct) <= 0.5
        one, two = codec.match(image, target).coded.data, found.coded.data
    costs = [np.square(codec.decode(data) / 255 - image / 255).mean() for data in (one, two)]
    assert costs[1] < costs[0]
