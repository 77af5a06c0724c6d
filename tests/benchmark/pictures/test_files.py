import io
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFile, PngImagePlugin, UnidentifiedImageError

from isorate.errors import ImageError
from isorate.image import Image, frozen
from isorate.pictures.files import FORMATS, cut_files_refused, open_picture, save_picture

NOISE = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)


@pytest.mark.parametrize("options", [
    {"quality": 100, "subsampling": 0, "optimize": True}, {"quality": 94, "subsampling": 0, "optimize": True},
    {"quality": 94, "subsampling": 0, "progressive": True},
    {"quality": -1, "subsampling": 0, "qtables": [[1] * 64] * 2},
])  # fmt: skip
def test_a_jpeg_of_noise_is_written_whole(options: dict[str, Any]) -> None:
    with PillowImage.open(io.BytesIO(save_picture(NOISE, "JPEG", **options))) as picture:
        assert np.abs(np.asarray(picture).astype(int) - NOISE).mean() < 10


def test_pillows_limits_are_as_they_were_afterwards() -> None:
    before = PillowImage.MAX_IMAGE_PIXELS, ImageFile.MAXBLOCK, PngImagePlugin.MAX_TEXT_CHUNK
    data = save_picture(NOISE, "JPEG", quality=100, subsampling=0, optimize=True)
    threads = [threading.Thread(target=open_picture, args=(data, ["JPEG"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == (PillowImage.MAX_IMAGE_PIXELS, ImageFile.MAXBLOCK, PngImagePlugin.MAX_TEXT_CHUNK)


def test_pillow_may_be_lenient_again_after_the_last_of_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    inside, leave = threading.Event(), threading.Event()

    def be_inside() -> None:
        with cut_files_refused():
            inside.set()
            leave.wait(10)

    other = threading.Thread(target=be_inside)
    with cut_files_refused():
        other.start()
        assert inside.wait(10)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    leave.set()
    other.join()
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def large_png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    PillowImage.new("1", (width, height)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def test_the_limit_is_isorates_own() -> None:
    assert open_picture(large_png(15000, 13000), FORMATS).size == (15000, 13000)  # 195 megapixels: above Pillow's
    with pytest.raises(ImageError, match="16385×16384 exceeds isorate's limit of 268435456 pixels"):
        open_picture(large_png(16385, 16384), FORMATS)


@pytest.mark.parametrize("data", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"P7 332\n#END\n4 4 255\n"])
def test_a_format_that_is_not_named_is_never_opened(data: bytes) -> None:
    with pytest.raises(UnidentifiedImageError):
        open_picture(data, FORMATS)


def test_a_frozen_picture_cannot_be_made_writable(photo: Image) -> None:
    copy = frozen(photo)
    assert np.array_equal(copy, photo)
    with pytest.raises(ValueError, match="WRITEABLE"):
        copy.flags.writeable = True
