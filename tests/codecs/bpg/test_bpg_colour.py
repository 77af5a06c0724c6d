"""Colour and chroma against plain loops and floating point."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from isorate.codecs.bpg import chroma, colour, container
from isorate.codecs.bpg.container import Header
from isorate.image import Image

SIZES = st.tuples(st.integers(1, 13), st.integers(1, 13))
IMAGES = SIZES.flatmap(lambda size: hnp.arrays(np.uint8, (*size, 3)))


def bt601(image: Image) -> list[NDArray[np.floating[Any]]]:
    """Return Y, and Cb and Cr around 0, of 8-bit samples, unrounded."""
    red, green, blue = np.moveaxis(image.astype(float), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return [luma, (blue - luma) / 1.772, (red - luma) / 1.402]


@given(IMAGES, st.sampled_from([8, 10, 12]))
def test_ycbcr_is_bt601_rounded_to_the_nearest(image: Image, bit_depth: int) -> None:
    peak = 2**bit_depth - 1
    center = 2 ** (bit_depth - 1)
    for plane, exact, offset in zip(colour.to_ycbcr(image, bit_depth), bt601(image), (0, center, center), strict=True):
        assert plane.dtype == (np.uint8 if bit_depth == 8 else np.uint16)
        wanted = np.minimum(exact * peak / 255 + offset, peak)
        assert np.abs(plane - wanted).max() < 0.501


@given(IMAGES, st.sampled_from([8, 10, 12]))
def test_rgb_survives_the_way_there_and_back(image: Image, bit_depth: int) -> None:
    header = Header(image.shape[1], image.shape[0], bit_depth=bit_depth)
    back = colour.to_rgb(colour.to_ycbcr(image, bit_depth), header).astype(int)
    assert np.abs(back - image).max() <= (2 if bit_depth == 8 else 1)


@given(IMAGES)
def test_gray_stays_gray(image: Image) -> None:
    gray = np.repeat(image[:, :, :1], 3, axis=2)
    luma, cb, cr = colour.to_ycbcr(gray, 8)
    assert np.array_equal(luma, gray[:, :, 0])
    assert (cb == 128).all()
    assert (cr == 128).all()
    header = Header(gray.shape[1], gray.shape[0], container.GRAY)
    assert np.array_equal(colour.to_rgb([luma], header), gray)


@pytest.mark.parametrize("color_space", [container.YCBCR, container.YCBCR_BT709, container.YCBCR_BT2020])
@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("bit_depth", [8, 10])
def test_other_matrices_and_ranges_are_the_standards(color_space: int, limited: bool, bit_depth: int) -> None:
    low, luma_range, chroma_range = (16, 219, 224) if limited else (0, 255, 255)
    unit = 2 ** (bit_depth - 8)
    if not limited:
        luma_range = chroma_range = (2**bit_depth - 1) / unit
    rng = np.random.default_rng(5)
    planes = [rng.integers(60 * unit, 180 * unit, (40, 30)).astype(np.uint16) for _ in range(3)]
    y = (planes[0] / unit - low) / luma_range
    pb, pr = ((plane / unit - 128) / chroma_range for plane in planes[1:])
    kr, kb = colour.LUMA_WEIGHTS[color_space]
    red, blue = y + 2 * (1 - kr) * pr, y + 2 * (1 - kb) * pb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    exact = np.clip(255 * np.stack([red, green, blue], axis=2), 0, 255)
    header = Header(30, 40, color_space=color_space, bit_depth=bit_depth, limited_range=limited)
    assert np.abs(colour.to_rgb(planes, header) - exact).max() < 0.501


def test_samples_outside_the_limited_range_saturate() -> None:
    header = Header(1, 1, limited_range=True)
    planes = [np.full((1, 1), value, np.uint8) for value in (255, 255, 128)]
    assert colour.to_rgb(planes, header)[0, 0, 2] == 255


def test_rgb_planes_are_green_blue_red(photo: Image) -> None:
    planes = [photo[:, :, i] for i in (1, 2, 0)]
    header = Header(photo.shape[1], photo.shape[0], color_space=container.RGB)
    assert np.array_equal(colour.to_rgb(planes, header), photo)


def test_bands_do_not_change_pixels(photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    header = Header(photo.shape[1], photo.shape[0])
    planes = colour.to_ycbcr(photo, 8)
    halved = [chroma.subsample(plane, 8, vertical=True) for plane in planes]
    whole = chroma.interpolate(halved[0], planes[0].shape, 8, vertical=True, midway=True)
    image = colour.to_rgb(planes, header)
    monkeypatch.setattr(colour, "BAND_SAMPLES", 1000)
    assert all(np.array_equal(a, b) for a, b in zip(planes, colour.to_ycbcr(photo, 8), strict=True))
    assert all(np.array_equal(a, chroma.subsample(p, 8, vertical=True)) for a, p in zip(halved, planes, strict=True))
    assert np.array_equal(chroma.interpolate(halved[0], planes[0].shape, 8, vertical=True, midway=True), whole)
    assert np.array_equal(colour.to_rgb(planes, header), image)


def fir(row: NDArray[np.uint8], taps: Sequence[int], centers: range, first: int) -> list[int]:
    return [sum(t * int(row[min(max(c + first + k, 0), len(row) - 1)]) for k, t in enumerate(taps)) for c in centers]


@given(hnp.arrays(np.uint8, st.integers(1, 20)), st.booleans())
def test_interpolation_of_a_row_is_the_plain_loop(row: NDArray[np.uint8], midway: bool) -> None:
    width = 2 * len(row) - 1
    out = chroma.interpolate(row[None], (1, width), 8, vertical=False, midway=midway)[0]
    centers = range(len(row))
    if midway:
        even = [(v + 32) >> 6 for v in fir(row, chroma.EVEN, centers, -3)]
        odd = [(v + 32) >> 6 for v in fir(row, chroma.EVEN[::-1], centers, -3)]
    else:
        even = [int(v) for v in row]
        odd = [(v + 32) >> 6 for v in fir(row, chroma.MIDWAY, centers, -3)]
    plain = [v for pair in zip(even, odd, strict=True) for v in pair][:width]
    assert out.tolist() == [min(max(v, 0), 255) for v in plain]


@given(hnp.arrays(np.uint8, st.integers(1, 20)))
def test_subsampling_of_a_row_is_the_plain_loop(row: NDArray[np.uint8]) -> None:
    out = chroma.subsample(row[None], 8, vertical=False)[0]
    plain = [(v + 64) >> 7 for v in fir(row, chroma.HALVE, range(0, len(row), 2), -4)]
    assert out.tolist() == [min(max(v, 0), 255) for v in plain]


@given(SIZES, st.integers(0, 255), st.booleans(), st.booleans(), st.sampled_from([8, 10, 12]))
def test_flat_chroma_stays_flat(
    size: tuple[int, int], level: int, vertical: bool, midway: bool, bit_depth: int
) -> None:
    level <<= bit_depth - 8
    plane = np.full(size, level, colour.sample_type(bit_depth))
    halved = chroma.subsample(plane, bit_depth, vertical=vertical)
    assert halved.shape == (-(-size[0] // 2) if vertical else size[0], -(-size[1] // 2))
    restored = chroma.interpolate(halved, size, bit_depth, vertical=vertical, midway=midway)
    assert restored.shape == size
    assert (halved == level).all()
    assert (restored == level).all()
