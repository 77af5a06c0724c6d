"""Crops of photographs that lie on the device."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from skimage import data as photographs

from isorate.codecs.learned.training.loader import batches
from isorate.codecs.learned.training.pack import pack
from isorate.codecs.learned.training.resident import SCALES, ResidentPhotographs, ResidentSampler, resident_photographs
from isorate.errors import DatasetError

CPU = torch.device("cpu")
SIDE = 64


def packed(folder: Path, **pictures: np.ndarray) -> Path:
    sources = folder / "sources"
    sources.mkdir()
    for name, pixels in pictures.items():
        PillowImage.fromarray(pixels).save(sources / f"{name}.png")
    pack(folder / "pack", [sources])
    return folder / "pack"


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    """Photographs whose pixels say where they are: row, column, which one."""
    pictures = {}
    for number, (height, width) in enumerate([(100, 200), (90, 70), (40, 250)]):
        rows, columns = np.mgrid[:height, :width]
        pictures[f"{number}"] = np.stack([rows, columns, np.full_like(rows, number)], axis=2).astype(np.uint8)
    return packed(tmp_path, **pictures)


def test_crops_are_what_the_photographs_hold_in_all_eight_positions(numbered: Path) -> None:
    sampler = ResidentSampler(ResidentPhotographs(numbered, 1.0, CPU), SIDE, seed=3)
    crops = sampler.batch(0, 300).numpy().astype(int)
    assert crops.shape == (300, SIDE, SIDE, 3)
    positions = set()
    for crop in crops:
        number, (height, width) = crop[0, 0, 2], [(100, 200), (90, 70)][crop[0, 0, 2]]
        assert (crop[..., 2] == number).all()
        down, right = (crop[1, 0] - crop[0, 0])[:2], (crop[0, 1] - crop[0, 0])[:2]
        along = np.arange(SIDE)
        expected = crop[0, 0, :2] + along[:, None, None] * down + along[:, None] * right
        assert (crop[..., :2] == expected).all()
        assert crop[..., 0].max() < height
        assert crop[..., 1].max() < width
        positions.add((*down.tolist(), *right.tolist()))
    assert positions == {(s, 0, 0, t) for s in (1, -1) for t in (1, -1)} | {
        (0, s, t, 0) for s in (1, -1) for t in (1, -1)
    }
    shares = np.bincount(crops[:, 0, 0, 2]) / len(crops)
    np.testing.assert_allclose(shares, np.array([20000, 6300]) / 26300, atol=0.08)
    ends = crops[crops[..., 2].max((1, 2)) == 0]
    assert ends[..., 0].min() == 0, "the first and the last row must be met"
    assert ends[..., 0].max() == 99


def test_what_a_step_sees_follows_from_seed_and_step(numbered: Path) -> None:
    one, two = (ResidentSampler(ResidentPhotographs(numbered, 0.5, CPU), SIDE, seed=7) for _ in range(2))
    two.batch(0, 5)
    assert torch.equal(one.batch(3, 6), two.batch(3, 6))
    assert not torch.equal(one.batch(3, 6), one.batch(4, 6))
    assert not torch.equal(one.batch(3, 6), ResidentSampler(one.photographs, SIDE, seed=8).batch(3, 6))
    assert not torch.equal(one.batch(3, 6, 0, 2), one.batch(3, 6, 1, 2))
    queue = batches(one, 3, 6, workers=0)
    assert torch.equal(next(queue), two.batch(3, 6))
    assert torch.equal(next(queue), two.batch(4, 6))


def test_versions_are_the_photographs_downscaled_as_pillow_does_it(tmp_path: Path) -> None:
    photo = photographs.astronaut()[:300, :400]
    resident = ResidentPhotographs(packed(tmp_path, one=photo), 0.5, CPU)
    sizes = [(300, 400), (261, 348), (227, 303), (198, 264), (172, 230), (150, 200)]
    assert list(zip(resident.heights.tolist(), resident.widths.tolist(), strict=True)) == sizes
    assert len(sizes) == SCALES
    for start, (height, width) in zip(resident.offsets.tolist(), sizes, strict=True):
        found = resident.pixels[start : start + height * width].view(height, width, 3).numpy().astype(int)
        scaled = PillowImage.fromarray(photo).resize((width, height), PillowImage.Resampling.BICUBIC)
        # Pillow rounds and clips between rows and columns.
        difference = np.abs(found - np.asarray(scaled))
        assert difference.max() <= 8
        assert difference.mean() < 0.3
    assert len(resident.pixels) == sum(height * width for height, width in sizes)


def test_crops_come_from_the_scales_that_hold_them(tmp_path: Path) -> None:
    path = packed(tmp_path, one=photographs.astronaut()[:300, :400])
    resident = ResidentPhotographs(path, 0.5, CPU)
    assert ResidentSampler(resident, 192, seed=1).batch(0, 3).shape == (3, 192, 192, 3)
    with pytest.raises(DatasetError, match="no photograph has 320 pixels a side"):
        ResidentSampler(resident, 320, seed=1)


def test_the_next_run_finds_the_photographs_where_they_are(numbered: Path) -> None:
    assert resident_photographs(numbered, 0.5, CPU) is resident_photographs(numbered, 0.5, CPU)
    assert resident_photographs(numbered, 0.5, CPU) is not resident_photographs(numbered, 0.6, CPU)
