from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import chelsea

from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.weights import load_weights
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.coding.picture import PictureEncoder, read_picture
from isorate.codecs.learned.coding.refinement import refine
from isorate.metrics import ms_ssim, psnr


@pytest.mark.slow
@torch.no_grad()
def test_weights_for_ms_ssim_are_refined_for_it(tiny_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isorate.codecs.learned.coding.refinement.STEPS", 30)
    image = np.ascontiguousarray(chelsea()[60:236, 100:276])
    weights = load_weights(tiny_path)
    found = {}
    for share in (0.0, 1.0):
        network = Network(replace(weights, training={"train": {"ms_ssim_share": share}}))
        encoder = PictureEncoder(network, image)
        codes = KnobCodes.nearest(0.01, 1.0, network.config.knots)
        plain, refined = encoder.code(codes), refine(encoder, codes)
        assert abs(len(refined.data) - len(plain.data)) <= max(4, 0.002 * len(plain.data))
        before, found[share] = (read_picture(network, coded.data) for coded in (plain, refined))
    untouched, mse, mixed = (ms_ssim(image, picture) or 0.0 for picture in (before, found[0.0], found[1.0]))
    assert mixed > untouched
    assert mixed > mse > 0
    assert psnr(image, found[0.0]) > psnr(image, found[1.0])
