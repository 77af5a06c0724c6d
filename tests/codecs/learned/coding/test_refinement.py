from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from skimage.data import chelsea

from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.weights import load_weights
from isorate.codecs.learned.codec import LearnedCodec
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import CodedPicture, PictureEncoder, read_picture
from isorate.codecs.learned.coding.refinement import SCHEDULES, Descent, refine
from isorate.metrics import ms_ssim, psnr


@pytest.mark.slow
@torch.no_grad()
def test_weights_for_ms_ssim_are_refined_for_it(tiny_path: Path) -> None:
    image = np.ascontiguousarray(chelsea()[60:236, 100:276])
    weights = load_weights(tiny_path)
    found = {}
    for share in (0.0, 1.0):
        network = Network(replace(weights, training={"train": {"ms_ssim_share": share}}))
        encoder = PictureEncoder(network, image)
        codes = KnobCodes.nearest(0.01, 1.0, network.config.knots)
        plain, refined = encoder.code(codes), refine(encoder, codes, replace(SCHEDULES[2], steps=30))
        assert abs(len(refined.data) - len(plain.data)) <= max(4, 0.002 * len(plain.data))
        before, found[share] = (read_picture(network, coded.data) for coded in (plain, refined))
    untouched, mse, mixed = (ms_ssim(image, picture) or 0.0 for picture in (before, found[0.0], found[1.0]))
    assert mixed > untouched
    assert mixed > mse > 0
    assert psnr(image, found[0.0]) > psnr(image, found[1.0])


@torch.no_grad()
def test_what_the_decoder_clips_is_no_error(fresh_tiny: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((64, 64, 3), 255, np.uint8)
    image[:, 32:] = 0
    encoder = PictureEncoder(fresh_tiny, image)
    descent = Descent(encoder, encoder.code(KnobCodes.nearest(0.01, 1.0, fresh_tiny.config.knots)))
    x = descent.x

    def loss(picture: torch.Tensor) -> float:
        monkeypatch.setattr(fresh_tiny.model.synthesis_net, "forward", lambda *_: picture)
        return float(descent.loss(*(value.detach().round() for value in descent.variables)))

    beyond, inside = x + (x - 0.5), x - 0.2 * (x - 0.5)
    assert loss(beyond) == loss(x) < loss(inside)


@pytest.mark.parametrize("effort", [2, 3])
def test_effort_decides_how_long_a_descent_is(
    tiny_path: Path, monkeypatch: pytest.MonkeyPatch, effort: Literal[2, 3]
) -> None:
    """From the first rate and temperatures to the last in the effort's number of steps, the size looked at 40 times."""
    steps, looks = [], []
    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.Descent.step", lambda _, *hot: steps.append(hot))
    coded = Descent.coded

    def look(descent: Descent, weight: float) -> CodedPicture:
        looks.append(weight)
        return coded(descent, weight)

    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.Descent.coded", look)
    LearnedCodec(str(tiny_path), effort=effort, threads=1).encode(np.ascontiguousarray(chelsea()[:64, :64]), 0.01)
    assert len(steps) == {2: 200, 3: 1000}[effort]
    rate, last_rate, softness = {2: (0.015, 0.0045, 0.4), 3: (0.01, 0.001, 0.2)}[effort]
    assert steps[0] == pytest.approx((rate, 0.3, 0.4))
    assert steps[len(steps) // 2][0] == rate
    assert steps[-1] == pytest.approx((last_rate, 0.12, softness))
    assert 40 <= len(looks) <= 40 + 11
