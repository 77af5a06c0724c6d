"""Where crops are taken: structure on which the codecs that are compared closely differ."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from isorate.image import Image
from isorate.reports.crops import Box, propose
from isorate.reports.places import structure

GREY = 128
LETTERS = (slice(96, 192), slice(64, 192))
SAND = (slice(96, 192), slice(320, 448))
SHADOW = (slice(320, 416), slice(64, 192))
GLARE = (slice(320, 416), slice(320, 448))


def covered(boxes: list[Box], place: tuple[slice, slice]) -> float:
    """Return the largest share of a place that one of the boxes covers."""
    rows, columns = place
    shares = []
    for box in boxes:
        down = min(box.y + box.height, rows.stop) - max(box.y, rows.start)
        across = min(box.x + box.width, columns.stop) - max(box.x, columns.start)
        shares.append(max(0, down) * max(0, across) / ((rows.stop - rows.start) * (columns.stop - columns.start)))
    return float(max(shares))


@pytest.fixture
def scene() -> Image:
    """Lettering, sand, an even shadow and glare on grey."""
    image = np.full((512, 512, 3), GREY, np.uint8)
    image[LETTERS] = np.repeat(skimage.data.page()[40:136, 60:188, None], 3, axis=2)
    sand = np.random.default_rng(1).integers(-20, 20, (96, 128, 1))
    image[SAND] = (GREY + sand).astype(np.uint8)
    image[SHADOW] = 40
    image[GLARE] = 255
    return image


def worse(image: Image, place: tuple[slice, slice], by: int) -> Image:
    """Return the picture with every other stripe of a place wrong by some levels."""
    out = image.astype(int)
    out[place][::4] -= by
    out[place][1::4] -= by
    clipped: Image = np.clip(out, 0, 255).astype(np.uint8)
    return clipped


def test_structure_is_edges_at_every_scale(scene: Image) -> None:
    seen = structure(scene)
    assert seen.shape == scene.shape[:2]
    assert 0 <= seen.min() <= seen.max() < 1
    inner = {name: seen[rows, columns][20:-20, 20:-20].mean() for name, (rows, columns) in
             {"letters": LETTERS, "sand": SAND, "shadow": SHADOW, "glare": GLARE}.items()}  # fmt: skip
    assert inner["letters"] > 4 * inner["sand"]
    assert inner["shadow"] < 0.01
    assert inner["glare"] < 0.01


@pytest.mark.parametrize("other", [SAND, SHADOW, GLARE])
def test_it_is_taken_where_there_is_something_to_see(scene: Image, other: tuple[slice, slice]) -> None:
    best, next_to_it = worse(scene, other, 6), worse(scene, LETTERS, 6)
    first = propose("x", scene, [best, next_to_it])[:1]
    assert covered(first, LETTERS) > 0.7
    assert covered(first, other) == 0


def test_the_worst_codec_does_not_choose(scene: Image) -> None:
    scene[SHADOW] = scene[LETTERS][::-1]  # structure that only the worst codec loses
    blurred = scene.copy()
    blurred[SHADOW] = blurred[SHADOW].mean((0, 1)).astype(np.uint8)
    first = propose("x", scene, [scene, blurred, worse(scene, LETTERS, 12)])[:1]
    assert covered(first, LETTERS) > 0.7
    assert covered(first, SHADOW) == 0
    assert covered(propose("x", scene, [scene, blurred]), SHADOW) > 0.7


def test_equal_frames_are_held_against_the_next_that_differs(scene: Image) -> None:
    assert propose("x", scene, [scene, scene]) == propose("x", scene, [])
    other = worse(scene, LETTERS, 12)
    assert propose("x", scene, [scene, scene, other]) == propose("x", scene, [scene, other])
    assert propose("x", scene, [other]) == propose("x", scene, [scene, other])


def test_a_second_box_is_far_from_the_first() -> None:
    image = np.full((512, 768, 3), GREY, np.uint8)
    image[64:448, 64:704] = np.tile(skimage.data.page()[:96, :128, None], (4, 5, 3))  # the same everywhere
    boxes = propose("x", image, [], 3)
    apart = [np.hypot(a.x - b.x, a.y - b.y) for a, b in itertools.pairwise(boxes)]
    assert min(apart) > 250


def test_the_borders_of_scans_are_left_out(scene: Image) -> None:
    scene[:4] = scene[-4:] = scene[:, :4] = scene[:, -4:] = 0
    for box in propose("x", scene, [], 4):
        assert min(box.x, box.y) >= 4
        assert max(box.x + box.width, box.y + box.height) <= 508


def pillow(image: Image, kind: str, quality: int) -> Image:
    out = io.BytesIO()
    PillowImage.fromarray(image).save(out, kind, quality=quality)
    return np.asarray(PillowImage.open(out).convert("RGB"))


@pytest.mark.kodak
@pytest.mark.parametrize(
    ("name", "dull"),
    [
        ("kodim03", (slice(380, 512), slice(80, 768))),  # the wall's shadow
        ("kodim06", (slice(400, 512), slice(0, 768))),  # water
        ("kodim12", (slice(200, 512), slice(430, 768))),  # sand
        ("kodim16", (slice(280, 512), slice(0, 768))),  # water
        ("kodim23", (slice(0, 80), slice(0, 380))),  # leaves out of focus
    ],
)
def test_kodak(kodak_dir: Path, name: str, dull: tuple[slice, slice]) -> None:
    image = np.asarray(PillowImage.open(kodak_dir / f"{name}.png").convert("RGB"))
    frames = [pillow(image, "WEBP", 20), pillow(image, "WEBP", 10), pillow(image, "JPEG", 10)]
    boxes = propose(name, image, frames)
    assert covered(boxes, dull) == 0
    seen = structure(image)
    for box in boxes:
        inside = seen[box.y : box.y + box.height, box.x : box.x + box.width].mean()
        assert inside > 1.3 * seen.mean()
