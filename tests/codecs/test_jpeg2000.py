import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.codecs.openjpeg import load_glymur
from isorate.datasets.images import load_image
from isorate.errors import BitstreamError, CodecError, ImageError, UsageError
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


def resized(data: bytes, width: int, height: int) -> bytes:
    """Return a codestream of one tile of 128 × 128 whose header claims another size."""
    claimed = bytearray(data)
    struct.pack_into(">II", claimed, 8, width, height)
    struct.pack_into(">II", claimed, 24, 128, 128)
    return bytes(claimed)


@pytest.fixture
def one_tile(astronaut: Image) -> bytes:
    return Jpeg2000().encode(np.ascontiguousarray(astronaut[:128, :128]), 60)


@pytest.mark.parametrize(("width", "height", "said"), [
    (20000, 20000, "20000×20000 exceeds isorate's limit"), (12800, 12800, "lacks 9999 of its 10000 tiles"),
    (128, 129, "lacks 1 of its 2 tiles"), (0, 128, "impossible size"), (2**31, 2**31, "exceeds isorate's limit"),
])  # fmt: skip
def test_tiles_that_are_not_there_are_told_before_anything_is_decoded(
    one_tile: bytes, width: int, height: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isorate.codecs.jpeg2000.load_glymur", lambda: pytest.fail("decoded"))
    with pytest.raises(BitstreamError, match=said):
        Jpeg2000().decode(resized(one_tile, width, height))


def test_real_tiles_are_decoded(astronaut: Image, tmp_path: Path) -> None:
    glymur = load_glymur()
    image = np.ascontiguousarray(astronaut[:300, :200])
    for name in ("a.j2k", "a.jp2"):
        glymur.Jp2k(tmp_path / name, data=image, tilesize=(128, 128), cratios=[8.0], irreversible=True, mct=True)
        data = (tmp_path / name).read_bytes()
        assert psnr(image, Jpeg2000().decode(data)) > 30
        for cut in (3, len(data) // 3, len(data) // 2):
            with pytest.raises(BitstreamError, match="JPEG 2000"):
                Jpeg2000().decode(data[:-cut])


def test_truncation_at_every_byte(one_tile: bytes) -> None:
    for length in range(len(one_tile)):
        with pytest.raises(BitstreamError):
            Jpeg2000().decode(one_tile[:length])


def test_a_picture_above_the_limit_is_not_coded() -> None:
    with pytest.raises(CodecError, match="exceeds isorate's limit of 268435456 pixels"):
        Jpeg2000().encode(np.broadcast_to(np.uint8(0), (2**14, 2**14 + 1, 3)), 10)


def test_another_depth_is_refused(tmp_path: Path, astronaut: Image) -> None:
    glymur = load_glymur()
    glymur.Jp2k(tmp_path / "deep.j2k", data=astronaut[:64, :64].astype(np.uint16) * 16)
    with pytest.raises(BitstreamError, match="not 8-bit RGB"):
        Jpeg2000().decode((tmp_path / "deep.j2k").read_bytes())


def test_signed_samples_are_refused(one_tile: bytes) -> None:
    with pytest.raises(BitstreamError, match="not 8-bit RGB"):
        Jpeg2000().decode(with_samples(one_tile, 0x87))


@pytest.mark.parametrize(("depth", "said"), [(0x87, "signed samples"), (0x04, "5 bits a sample")])
@pytest.mark.parametrize("name", ["a.j2k", "a.jp2"])
def test_a_source_of_other_samples_is_refused(
    depth: int, said: str, name: str, astronaut: Image, tmp_path: Path
) -> None:
    container: Literal["j2k", "jp2"] = "jp2" if name.endswith("jp2") else "j2k"
    data = Jpeg2000(container).encode(np.ascontiguousarray(astronaut[:64, :64]), 10)
    (tmp_path / name).write_bytes(data)
    assert load_image(tmp_path / name).pixels.shape == (64, 64, 3)
    (tmp_path / name).write_bytes(with_samples(data, depth))
    with pytest.raises(ImageError, match=rf"{name}: {said}; save the picture with unsigned samples of 8 bits"):
        load_image(tmp_path / name)


def with_samples(data: bytes, depth: int) -> bytes:
    """Return the stream with another depth and sign of every component (Ssiz, T.800 A.5.1)."""
    claimed, at = bytearray(data), data.index(b"\xff\x51") + 2 + 38
    for component in range(3):
        claimed[at + 3 * component] = depth
    return bytes(claimed)


@pytest.mark.parametrize(("width", "height", "block"), [(2**28, 1, 0x44), (1, 2**28, 0x44), (8192, 8192, 0x00)])
def test_more_code_blocks_than_a_square_picture_has_are_refused(
    one_tile: bytes, width: int, height: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isorate.codecs.jpeg2000.load_glymur", lambda: pytest.fail("decoded"))
    data = bytearray(one_tile)
    struct.pack_into(">II", data, 8, width, height)
    struct.pack_into(">II", data, 24, width, height)
    at = data.index(b"\xff\x52")
    data[at + 10], data[at + 11] = block >> 4, block & 15
    with pytest.raises(BitstreamError, match="code blocks: 262144 are decoded"):
        Jpeg2000().decode(bytes(data))
