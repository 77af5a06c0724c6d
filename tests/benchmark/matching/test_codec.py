import math
from typing import ClassVar

import numpy as np
import pytest

from isorate.codecs.base import Knob, TwoKnobCodec
from isorate.codecs.jpeg import Jpeg
from isorate.errors import MatchError
from isorate.image import Image
from isorate.matching.codec import match


class Synthetic(TwoKnobCodec):
    """Sizes like a learned codec's: log rate linear in log λ and log Δ."""

    name, label, suffix = "synthetic", "Synthetic", ".syn"
    knob = Knob("lmbda", 1e-4, 10**-1.5, integer=False, rising=False)
    fine_knob = Knob("bin_size", 0.5, 2.0, integer=False, rising=False)
    fine_default = 1.0
    backend = "none"
    options: ClassVar = {}

    def __init__(self) -> None:
        self.calls: list[tuple[float, float]] = []

    def encode(self, image: Image, knob: float, fine: float | None = None) -> bytes:
        assert fine is not None
        self.calls.append((knob, fine))
        return bytes(round(30_000 * (knob / 1e-3) ** -0.45 * fine**-0.8))

    def decode(self, data: bytes) -> Image:
        raise NotImplementedError


@pytest.mark.parametrize("bpp", [0.2, 0.5, 0.9])
def test_two_knobs_coarse_then_fine(bpp: float) -> None:
    codec, image = Synthetic(), np.zeros((512, 768, 3), np.uint8)
    data, found = match(codec, image, bpp)
    assert abs(found.residual_pct) <= 0.5
    assert len(data) == found.best.num_bytes
    assert found.best in found.trace
    assert len(codec.calls) == len(found.trace) == len(set(codec.calls))
    assert len({knob for knob, _ in codec.calls}) <= 3
    assert all(0.5 <= fine <= 2 for _, fine in codec.calls)


@pytest.mark.parametrize("bpp", [0.02, 8.0])
def test_two_knobs_reach_beyond_the_coarse_range_then_say_unreachable(bpp: float) -> None:
    codec, image = Synthetic(), np.zeros((512, 768, 3), np.uint8)
    _, found = match(codec, image, bpp)
    assert found.unreachable
    assert found.best.fine == (2.0 if bpp < 1 else 0.5)
    assert math.isclose(found.residual_pct, 100 * (found.best.num_bytes / (bpp * 512 * 768 / 8) - 1))


def test_match_returns_the_best_file(photo: Image) -> None:
    data, found = match(Jpeg(mode="integer"), photo, 0.7)
    assert len(data) == found.best.num_bytes
    assert data == Jpeg(mode="integer").encode(photo, found.best.knob)


@pytest.mark.parametrize("image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3))])
def test_match_refuses_what_is_no_8_bit_rgb_image(image: Image) -> None:
    with pytest.raises(MatchError, match="uint8 is needed"):
        match(Jpeg(), image, 1.0)


def test_a_codec_that_works_in_place_leaves_the_picture_alone(photo: Image) -> None:
    class InPlace(Jpeg):
        def encode(self, image: Image, knob: float) -> bytes:
            image.flags.writeable = True
            image[:] = 0
            return super().encode(image, knob)

    before = photo.copy()
    with pytest.raises(ValueError, match="WRITEABLE"):
        match(InPlace(), photo, 0.5)
    assert np.array_equal(photo, before)
