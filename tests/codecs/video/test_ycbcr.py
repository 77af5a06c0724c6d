import math

import numpy as np
import pytest

from isorate.codecs.video.ycbcr import Chroma, to_image, to_planes
from isorate.image import Image
from isorate.metrics import psnr

TRUNCATING = 43.7
"""dB on Kodak by a conversion that truncates, both ways."""


@pytest.mark.parametrize(("bit_depth", "chroma", "at_least"), [
    (8, "444", 52.0), (10, "444", math.inf), (8, "420", 33.0), (10, "420", 33.0),
])  # fmt: skip
def test_the_way_there_and_back_costs_no_more_than_the_planes_cannot_hold(
    astronaut: Image, bit_depth: int, chroma: Chroma, at_least: float
) -> None:
    planes = to_planes(astronaut, bit_depth, chroma)
    assert psnr(astronaut, to_image(planes, bit_depth, chroma)) >= at_least


def test_rounding_is_what_lifts_it_above_the_known_ceiling(astronaut: Image) -> None:
    """The same matrices in real numbers: rounded they give ours, truncated they stop where published reruns do."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    offset = np.array([0, 128, 128])
    wide = astronaut.astype(float)

    def back_and_forth(whole: np.ufunc) -> float:
        ycbcr = np.clip(whole(wide @ matrix.T + offset), 0, 255)
        rgb = np.clip(whole((ycbcr - offset) @ np.linalg.inv(matrix).T), 0, 255)
        return psnr(astronaut, rgb.astype(np.uint8))

    ours = psnr(astronaut, to_image(to_planes(astronaut, 8, "444"), 8, "444"))
    assert ours == pytest.approx(back_and_forth(np.rint), abs=0.1)
    assert back_and_forth(np.floor) < TRUNCATING + 1 < ours


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 47), (64, 96)])
@pytest.mark.parametrize("chroma", ["444", "420"])
def test_any_size_keeps_its_shape(astronaut: Image, shape: tuple[int, int], chroma: Chroma) -> None:
    image = np.ascontiguousarray(astronaut[: shape[0], : shape[1]])
    planes = to_planes(image, 10, chroma)
    halved = (-(-shape[0] // 2), -(-shape[1] // 2)) if chroma == "420" else shape
    assert [plane.shape for plane in planes] == [shape, halved, halved]
    assert to_image(planes, 10, chroma).shape == image.shape
