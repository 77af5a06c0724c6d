from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.codecs.pillow_decode import decode_with_pillow
from isorate.datasets.images import load_image
from isorate.errors import BitstreamError, ImageError
from isorate.image import Image, pixels_sha256


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
    assert load_image(save(tmp_path, picture, "photo.tif", compression="jpeg")).lossy
    assert not load_image(save(tmp_path, picture, "photo.tif", compression="tiff_lzw")).lossy


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


def test_signed_samples_of_a_tiff_are_refused(tmp_path: Path, picture: PillowImage.Image) -> None:
    path = save(tmp_path, picture.convert("L"), "a.tif", tiffinfo={339: 2})
    with pytest.raises(ImageError, match=r"a\.tif: signed samples"):
        load_image(path)
    with pytest.raises(BitstreamError, match="TIFF stream of signed samples"):
        decode_with_pillow(path.read_bytes(), "TIFF")
    assert load_image(save(tmp_path, picture.convert("L"), "b.tif", tiffinfo={339: 1})).pixels.shape[2] == 3


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


def test_a_picture_cannot_be_written_to_however_it_was_loaded(tmp_path: Path, picture: PillowImage.Image) -> None:
    for number, mode in enumerate(("RGB", "RGBA", "L", "P", "1", "LA")):
        pixels = load_image(save(tmp_path, picture.convert(mode), f"{number}.png")).pixels
        with pytest.raises(ValueError, match="WRITEABLE"):
            pixels.flags.writeable = True


@pytest.mark.parametrize("options", [{"format": "PNG"}, {"format": "WEBP", "lossless": True}, {"format": "TIFF"}])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_in_every_format(
    tmp_path: Path, picture: PillowImage.Image, photo: Image, options: dict[str, Any], orientation: int
) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    loaded = load_image(save(tmp_path, picture, "turned", exif=exif, **options))
    turned = {
        1: photo, 2: photo[:, ::-1], 3: photo[::-1, ::-1], 4: photo[::-1], 5: photo.swapaxes(0, 1),
        6: np.rot90(photo, -1), 7: np.rot90(photo[::-1], 1), 8: np.rot90(photo, 1),
    }[orientation]  # fmt: skip
    assert np.array_equal(loaded.pixels, turned)
    assert ["EXIF" in note for note in loaded.notes] == [True] * (orientation != 1)


@pytest.mark.parametrize(("name", "header", "said"), [
    ("a.ppm", b"P6\n2 1\n65535\n" + bytes(12), r"more than 8 bits a sample \(16\).*-depth 8"),
    ("a.pgm", b"P5\n2 1\n1023\n" + bytes(4), r"more than 8 bits a sample \(10\)"),
    ("a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image of a format that is read here"),
])  # fmt: skip
def test_depth_and_format_come_from_the_file(tmp_path: Path, name: str, header: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(header)
    with pytest.raises(ImageError, match=said):
        load_image(path)


def test_another_white_is_scaled_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6\n2 1\n100\n" + bytes((0, 50, 100, 100, 100, 100)))
    loaded = load_image(path)
    assert loaded.pixels.tolist() == [[[0, 128, 255], [255, 255, 255]]]
    assert loaded.notes == ("samples scaled from 0..100 to 0..255",)


def test_an_icc_profile_is_converted_and_noted_and_srgbs_is_silent(
    tmp_path: Path, picture: PillowImage.Image, photo: Image
) -> None:
    from PIL import ImageCms

    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert load_image(save(tmp_path, picture, icc_profile=srgb)).notes == ()
    swapped = bytearray(srgb)  # red and green trade places
    at = {tag: int.from_bytes(srgb[i + 4 : i + 8]) for i in range(132, 300, 12) for tag in (srgb[i : i + 4],)}
    swapped[at[b"rXYZ"] : at[b"rXYZ"] + 20] = srgb[at[b"gXYZ"] : at[b"gXYZ"] + 20]
    swapped[at[b"gXYZ"] : at[b"gXYZ"] + 20] = srgb[at[b"rXYZ"] : at[b"rXYZ"] + 20]
    swapped[84:100] = bytes(16)
    loaded = load_image(save(tmp_path, picture, icc_profile=bytes(swapped)))
    assert np.abs(loaded.pixels.astype(int) - photo[..., [1, 0, 2]]).max() <= 2
    (note,) = loaded.notes
    assert note.startswith("converted from ICC profile")
    assert note.endswith("to sRGB")


def _with_chunk(path: Path, kind: bytes, body: bytes) -> Path:
    import struct
    import zlib

    data = path.read_bytes()
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data[:33] + chunk + data[33:])
    return path


def test_what_is_not_applied_is_noted_and_hdr_is_refused(
    tmp_path: Path, picture: PillowImage.Image, photo: Image
) -> None:
    loaded = load_image(_with_chunk(save(tmp_path, picture), b"gAMA", (100000).to_bytes(4)))
    assert np.array_equal(loaded.pixels, photo)
    assert loaded.notes == ("colour not managed: the file says gAMA 1, its samples are taken as sRGB",)
    with pytest.raises(ImageError, match=r"HDR samples, PQ.*tone-map"):
        load_image(_with_chunk(save(tmp_path, picture), b"cICP", bytes((9, 16, 0, 1))))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif", "a.tiff", "a.avif"])
def test_several_frames_are_refused(tmp_path: Path, picture: PillowImage.Image, name: str) -> None:
    path = save(tmp_path, picture, name, save_all=True, append_images=[picture.rotate(180)])
    with pytest.raises(ImageError, match="2 frames; save the one"):
        load_image(path)


def test_a_picture_above_the_limit_is_refused_by_it(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="exceeds isorate's limit of 268435456 pixels"):
        load_image(save(tmp_path, PillowImage.new("1", (16385, 16384)), compress_level=1))
