from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.datasets.images import load_image, pixels_sha256
from isorate.errors import ImageError
from isorate.image import Image


def save(tmp_path: Path, picture: PillowImage.Image, name: str = "image.png", **options: Any) -> Path:
    path = tmp_path / name
    picture.save(path, **options)
    return path


@pytest.fixture
def picture(photo: Image) -> PillowImage.Image:
    return PillowImage.fromarray(photo)


def test_rgb_is_read_as_it_is(tmp_path: Path, picture: PillowImage.Image, photo: Image) -> None:
    loaded = load_image(save(tmp_path, picture))
    assert np.array_equal(loaded.pixels, photo)
    assert loaded.sha256 == pixels_sha256(photo)
    assert not loaded.lossy
    assert loaded.notes == ()


def test_a_lossy_source_is_told_whatever_its_name(tmp_path: Path, picture: PillowImage.Image) -> None:
    assert load_image(save(tmp_path, picture, "photo.png", format="JPEG")).lossy


@pytest.mark.parametrize(("mode", "note"), [("L", "grey to RGB"), ("1", "grey to RGB"), ("P", "P to RGB")])
def test_grey_and_palette_become_rgb_and_that_is_noted(
    tmp_path: Path, picture: PillowImage.Image, mode: str, note: str
) -> None:
    loaded = load_image(save(tmp_path, picture.convert(mode)))
    assert loaded.pixels.shape == (*picture.size[::-1], 3)
    assert loaded.notes == (note,)


def test_an_opaque_alpha_channel_is_dropped_and_that_is_noted(
    tmp_path: Path, picture: PillowImage.Image, photo: Image
) -> None:
    loaded = load_image(save(tmp_path, picture.convert("RGBA")))
    assert np.array_equal(loaded.pixels, photo)
    assert loaded.notes == ("opaque alpha channel dropped",)


def test_exif_rotation_is_applied_and_noted(tmp_path: Path, picture: PillowImage.Image, photo: Image) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    loaded = load_image(save(tmp_path, picture, exif=exif))
    assert np.array_equal(loaded.pixels, np.rot90(photo, -1))
    assert "EXIF" in loaded.notes[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (7, 5)])
def test_tiny_and_odd_sizes(tmp_path: Path, photo: Image, shape: tuple[int, int]) -> None:
    tiny = photo[: shape[0], : shape[1]]
    assert np.array_equal(load_image(save(tmp_path, PillowImage.fromarray(tiny))).pixels, tiny)


def _transparent(picture: PillowImage.Image) -> PillowImage.Image:
    rgba = picture.convert("RGBA")
    rgba.putpixel((3, 3), (0, 0, 0, 7))
    return rgba


@pytest.mark.parametrize(("make", "name", "said"), [
    (_transparent, "a.png", "transparent"),
    (lambda p: p.convert("CMYK"), "a.tif", "CMYK"),
    (lambda p: PillowImage.fromarray(np.asarray(p.convert("L")).astype(np.uint16) * 257), "a.png", "more than 8 bits"),
    (lambda p: p.convert("F"), "a.tif", "more than 8 bits"),
])  # fmt: skip
def test_what_needs_the_users_decision_is_refused_with_a_remedy(
    tmp_path: Path,
    picture: PillowImage.Image,
    make: Callable[[PillowImage.Image], PillowImage.Image],
    name: str,
    said: str,
) -> None:
    path = save(tmp_path, make(picture), name)
    with pytest.raises(ImageError, match=said) as error:
        load_image(path)
    assert str(path) in str(error.value)


def test_missing_foreign_and_damaged_files_are_named(tmp_path: Path, picture: PillowImage.Image) -> None:
    text, empty, cut = tmp_path / "text.png", tmp_path / "empty.png", save(tmp_path, picture, "cut.png")
    text.write_text("this is no picture")
    empty.write_bytes(b"")
    cut.write_bytes(cut.read_bytes()[:-2000])
    for path in (tmp_path / "missing.png", text, empty, cut, tmp_path):
        with pytest.raises(ImageError, match=str(path)):
            load_image(path)


def test_a_flipped_bit_in_a_png_is_told(tmp_path: Path, picture: PillowImage.Image) -> None:
    path = save(tmp_path, picture)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(ImageError, match="damaged"):
        load_image(path)
