import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.codecs.openjpeg import load_glymur
from isorate.errors import BitstreamError, UsageError
from isorate.image import Image
from isorate.metrics import psnr


def test_the_wavelet_is_the_irreversible_one_and_that_pays(photo: Image) -> None:
    default, reversible = Jpeg2000(), Jpeg2000(wavelet="5/3")
    a, b = default.encode(photo, 60.0), reversible.encode(photo, 60.0)
    assert abs(len(a) / len(b) - 1) < 0.05
    assert psnr(photo, default.decode(a)) > psnr(photo, reversible.decode(b)) + 0.2


def test_the_ratio_sets_the_size(photo: Image) -> None:
    sizes = [len(Jpeg2000().encode(photo, ratio)) for ratio in (8.0, 16.0, 32.0, 64.0)]
    for size, ratio in zip(sizes, (8, 16, 32, 64), strict=True):
        assert size == pytest.approx(photo.size / ratio, rel=0.12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (33, 64), (300, 2)])
def test_any_size_keeps_its_shape(astronaut: Image, shape: tuple[int, int]) -> None:
    image = astronaut[: shape[0], : shape[1]]
    codec = Jpeg2000()
    assert codec.decode(codec.encode(image, 4.0)).shape == image.shape


def test_a_container_adds_its_boxes(photo: Image) -> None:
    bare, boxed = Jpeg2000().encode(photo, 50.0), Jpeg2000("jp2").encode(photo, 50.0)
    assert boxed[4:8] == b"jP  "
    assert len(boxed) - len(bare) == pytest.approx(85, abs=40)
    assert np.array_equal(Jpeg2000("jp2").decode(boxed), Jpeg2000().decode(boxed))


def test_damage_is_told(photo: Image) -> None:
    codec = Jpeg2000()
    data = codec.encode(photo, 50.0)
    for bad in (b"", b"\xff\xd8\xff\xe0", data[:40], data[:100]):
        with pytest.raises(BitstreamError, match="JPEG 2000"):
            codec.decode(bad)


def test_unusable_options_are_refused() -> None:
    with pytest.raises(UsageError, match="wavelet"):
        Jpeg2000(wavelet="haar")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="container"):
        Jpeg2000(container="mj2")  # type: ignore[arg-type]


def _in_fresh_process(cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from isorate.codecs.jpeg2000 import Jpeg2000; print(Jpeg2000().backend)"
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", code], env=variables, cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_current_folder_chooses_no_library(tmp_path: Path) -> None:
    (tmp_path / "glymurrc").write_text("[library]\nopenjp2: None\n")
    assert _in_fresh_process(cwd=tmp_path).stdout == _in_fresh_process().stdout != ""


def test_a_users_configuration_is_honoured(tmp_path: Path) -> None:
    copy = tmp_path / "copy.so"
    shutil.copy(load_glymur().lib.openjp2.OPENJP2._name, copy)
    rc = tmp_path / "glymur" / "glymurrc"
    rc.parent.mkdir()
    rc.write_text(f"[library]\nopenjp2: {copy}\n")
    code = "from isorate.codecs.openjpeg import load_glymur; print(load_glymur().lib.openjp2.OPENJP2._name)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == str(copy)


def test_the_users_choice_of_library_comes_first_and_a_wrong_one_is_told() -> None:
    done = _in_fresh_process(ISORATE_OPENJPEG="/nowhere/libopenjp2.so")
    assert "ISORATE_OPENJPEG names /nowhere/libopenjp2.so, which is no file" in done.stderr


def test_a_missing_library_is_told_with_remedies(tmp_path: Path) -> None:
    rc = tmp_path / "glymur" / "glymurrc"
    rc.parent.mkdir()
    rc.write_text("[library]\nopenjp2: None\n")
    done = _in_fresh_process(XDG_CONFIG_HOME=str(tmp_path))
    assert "CodecUnavailableError" in done.stderr
    assert "apt-get install libopenjp2-7" in done.stderr


def test_a_claim_of_a_giant_picture_is_refused_before_anything_is_decoded(photo: Image) -> None:
    data = bytearray(Jpeg2000().encode(photo, 20))
    size = data.index(b"\xff\x51") + 6  # Xsiz, Ysiz of SIZ (T.800 A.5.1); the tile's size is 16 bytes on
    data[size : size + 8] = data[size + 16 : size + 24] = (2**17).to_bytes(4) * 2
    with pytest.raises(BitstreamError, match="268435456 pixels are the most"):
        Jpeg2000().decode(bytes(data))
