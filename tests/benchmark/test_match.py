import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image as PillowImage

import isorate
from isorate.api import match
from isorate.cli import main
from isorate.codecs.base import Knob, TwoKnobCodec
from isorate.codecs.jpeg import Jpeg
from isorate.datasets.images import LoadedImage, load_image
from isorate.engine.cache import Cache
from isorate.engine.encodes import Encodes
from isorate.errors import MatchError
from isorate.image import Image
from isorate.matching.outcome import Match, Policy, Probe


def load(photo: Image, folder: Path) -> LoadedImage:
    PillowImage.fromarray(photo).save(folder / "photo.png")
    return load_image(folder / "photo.png")


class Fitted(Jpeg):
    """A codec that fits a file to a size, as an overfitted one does; no knob gives that file."""

    fits = 0

    def encode_to_size(
        self,
        image: Image,
        num_bytes: float,
        *,
        tolerance_pct: float = 0.5,
        policy: Policy = Policy.NEAREST,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, Match]:
        type(self).fits += 1
        data, found = super().encode_to_size(image, num_bytes - 2, tolerance_pct=tolerance_pct, policy=policy)
        best = Probe(found.best.knob, len(data) + 2)
        return data + b"\0\0", Match(num_bytes, best, (best,), passes=7)


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


def test_a_codec_that_fits_itself_to_a_size_is_taken_at_its_word(photo: Image) -> None:
    data, found = match(Fitted(), photo, 0.7)
    assert data == Jpeg().encode(photo, found.best.knob) + b"\0\0"
    assert len(data) == found.best.num_bytes
    assert (len(found.trace), found.passes) == (1, 7)


def test_a_run_keeps_the_fitted_file_by_its_size_and_fits_once(photo: Image, tmp_path: Path) -> None:
    loaded = load(photo, tmp_path)
    before = Fitted.fits
    made = [Encodes(Fitted(), loaded, Cache(tmp_path)).to_size(3000.0, 0.5, Policy.NEAREST) for _ in range(2)]
    assert made[0] == made[1]
    assert made[0][0].data.endswith(b"\0\0")
    assert Fitted.fits == before + 1
    other, _ = Encodes(Fitted(), loaded, Cache(tmp_path)).to_size(4000.0, 0.5, Policy.NEAREST)
    assert len(other.data) > len(made[0][0].data)
    assert Fitted.fits == before + 2


def test_a_searched_codecs_probes_come_from_the_cache(
    photo: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(photo, tmp_path)
    first = Encodes(Jpeg(), loaded, Cache(tmp_path)).to_size(3000.0, 0.5, Policy.NEAREST)
    monkeypatch.setattr(Jpeg, "encode", None)
    assert Encodes(Jpeg(), loaded, Cache(tmp_path)).to_size(3000.0, 0.5, Policy.NEAREST) == first


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


@pytest.mark.parametrize("bpp", [1e308, 1e-308, 0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_no_file_has_is_refused(photo: Image, bpp: float) -> None:
    with pytest.raises(MatchError, match=r"target of .* bpp: a number from 1e-06 to 1e\+06 is needed"):
        isorate.match(Jpeg(), photo, bpp)


@pytest.mark.parametrize("bpp", ["1e308", "1e-308"])
def test_the_command_names_the_option(
    bpp: str, two_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["encode", str(two_photos / "coffee.png"), str(tmp_path / "o.jpg"), "--bpp", bpp]) == 2
    assert capsys.readouterr().err == f"isorate: --bpp {float(bpp):g}: a number from 1e-06 to 1e+06 is needed\n"
