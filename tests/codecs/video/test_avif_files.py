"""AVIF files that are no pictures of ours: each is told what is wrong with it before anything is decoded."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.codecs.avif import Avif
from isorate.codecs.video import avif
from isorate.errors import BitstreamError
from isorate.image import Image

FOLDER = Path(__file__).parents[2] / "data" / "field"
FILES = ["av1.avif", "svtav1.avif"]


@pytest.fixture(params=FILES)
def data(request: pytest.FixtureRequest) -> bytes:
    name: str = request.param
    return (FOLDER / name).read_bytes()


def changed(data: bytes, kind: bytes, offset: int, new: bytes) -> bytes:
    """Return `data` with other bytes `offset` behind the type of its first box of `kind`."""
    at = data.index(kind) + 4 + offset
    return data[:at] + new + data[at + len(new) :]


def test_they_are_real_avif_files(data: bytes) -> None:
    """Another decoder opens them; it converts to RGB with another rounding, and interpolates chroma in its own way."""
    with PillowImage.open(io.BytesIO(data), formats=["AVIF"]) as picture:
        other = np.asarray(picture.convert("RGB")).astype(float)
    ours = avif.decode(data)
    still = avif.unpack(data)
    assert other.shape == ours.shape
    assert np.abs(other - ours).mean() < (1 if still.chroma == "444" else 2)


def test_the_container_is_counted(data: bytes) -> None:
    still = avif.unpack(data)
    assert data.endswith(still.data)
    assert avif.header_bytes(data) == data.index(b"mdat") + 4 == len(data) - len(still.data)
    assert 280 < avif.header_bytes(data) < 300


@pytest.mark.parametrize(("kind", "offset", "new", "said"), [
    (b"ftyp", 0, b"heic\0\0\0\0heicheicheic", "not an AVIF file"),
    (b"ispe", 4, struct.pack(">II", 16385, 16384), "exceeds isorate's limit"),
    (b"ispe", 4, struct.pack(">II", 0, 64), "picture of 0×64"),
    (b"ispe", 4, struct.pack(">II", 8, 8), "AV"),
    (b"av1C", 2, b"\x10", "not 4:4:4 or 4:2:0"),
    (b"colr", 4, struct.pack(">3HB", 9, 16, 9, 0), "colour codes"),
    (b"colr", 10, b"\0", "colour codes"),
    (b"pixi", -4, b"irot", "irot"),
    (b"infe", 8, b"grid", "only one opaque AV1 picture"),
    (b"iloc", 4, b"\x33", "item location"),
    (b"iloc", 18, struct.pack(">I", 2**31), "truncated"),
])  # fmt: skip
def test_what_is_not_ours_is_told(data: bytes, kind: bytes, offset: int, new: bytes, said: str) -> None:
    with pytest.raises(BitstreamError, match=said):
        avif.decode(changed(data, kind, offset, new))


def test_truncation_at_every_byte_of_the_header_and_many_behind(data: bytes) -> None:
    for length in (*range(320), *range(320, len(data), 97)):
        with pytest.raises(BitstreamError):
            avif.decode(data[:length])


def test_pillows_own_files_are_read_when_they_say_the_same_colours(photo: Image) -> None:
    with pytest.raises(BitstreamError, match="colour codes"):
        avif.decode(changed(Avif(speed=9).encode(photo, 40), b"nclx", 0, struct.pack(">3HB", 1, 1, 1, 0)))
