import io
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageCms

from isorate.image import Image
from isorate.pictures.colour import SRGB, Colour, colour_of, to_srgb
from isorate.pictures.files import FORMATS, open_picture

SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DISPLAY_P3 = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}


def profile(primaries: Mapping[bytes, tuple[float, float, float]] = DISPLAY_P3, *, name: bytes = b"") -> bytes:
    """Return littleCMS' sRGB profile with other primaries, and perhaps another name."""
    data = bytearray(SRGB_PROFILE)
    for i in range(struct.unpack(">I", data[128:132])[0]):
        tag, offset = struct.unpack_from(">4sI", data, 132 + 12 * i)
        if tag in primaries:
            data[offset + 8 : offset + 20] = b"".join(struct.pack(">i", round(v * 65536)) for v in primaries[tag])
        if tag == b"desc" and name:
            data[offset + 28 : offset + 28 + 2 * len(name)] = b"".join(bytes((0, c)) for c in name)
    data[84:100] = bytes(16)
    return bytes(data)


P3 = profile()


def saved(picture: PillowImage.Image, file_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, file_format, **options)
    return out.getvalue()


def with_chunks(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG with more chunks behind IHDR."""
    extra = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return data[:33] + extra + data[33:]


def said(data: bytes) -> Colour:
    return colour_of(data, open_picture(data, FORMATS))


@pytest.fixture
def picture(photo: Image) -> PillowImage.Image:
    return PillowImage.fromarray(photo)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_a_profile_is_judged_by_what_it_does(picture: PillowImage.Image, file_format: str) -> None:
    assert said(saved(picture, file_format)) == SRGB
    assert said(saved(picture, file_format, icc_profile=SRGB_PROFILE)) == SRGB
    assert said(saved(picture, file_format, icc_profile=profile({}, name=b"Display"))) == SRGB
    found = said(saved(picture, file_format, icc_profile=P3))
    assert found.profile == P3
    assert "sRGB built-in" in found.name  # a name means nothing
    assert not found.hdr


def test_a_converted_picture_shows_the_same_colours(picture: PillowImage.Image, photo: Image) -> None:
    """Against the matrices and the curve written out."""
    found = np.asarray(to_srgb(picture, P3)).astype(float)
    linear = np.where(photo <= 10.31, photo / 255 / 12.92, ((photo / 255 + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([DISPLAY_P3[tag] for tag in (b"rXYZ", b"gXYZ", b"bXYZ")]).T
    srgb_to_xyz = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
    there = np.clip(linear @ (np.linalg.inv(srgb_to_xyz) @ to_xyz).T, 0, 1)
    expected = 255 * np.where(there <= 0.0031308, 12.92 * there, 1.055 * there ** (1 / 2.4) - 0.055)
    assert np.abs(found - expected).max() < 2
    assert np.abs(found - photo).max() > 10


def test_a_grey_profile(picture: PillowImage.Image, photo: Image) -> None:
    grey = picture.convert("L")
    gamma = ImageCms.ImageCmsProfile(io.BytesIO(_grey_profile(1.0)))
    found = said(saved(grey, "PNG", icc_profile=gamma.tobytes()))
    assert found.profile
    turned = to_srgb(grey, found.profile)
    assert turned.mode == "RGB"
    assert np.asarray(turned).mean() > np.asarray(grey).mean() + 20
    assert "grey" in said(saved(picture, "PNG", icc_profile=gamma.tobytes())).name


def _grey_profile(gamma: float) -> bytes:
    """Return a version 2 profile of one curve (ICC.1:2001-04)."""
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", 5) + b"grey\0" + bytes(78),
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"kTRC": b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2),
    }
    at, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, content in tags.items():
        table += struct.pack(">4sII", tag, at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02400000, b"mntr", b"GRAY", b"XYZ ") + bytes(12)
    head += b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def test_a_useless_profile_is_named(picture: PillowImage.Image) -> None:
    assert "cannot be used" in said(saved(picture, "PNG", icc_profile=b"no profile at all")).name
    assert "cannot be used" in said(with_chunks(saved(picture, "PNG"), (b"iCCP", b"x\0\0not compressed"))).name
    lost = saved(picture, "JPEG", icc_profile=bytes(70000)).replace(b"ICC_PROFILE\0\2", b"ICC_PROFILE\0\3")
    assert "cannot be used" in said(lost).name


def test_a_large_profile_is_read(picture: PillowImage.Image) -> None:
    assert said(saved(picture, "PNG", icc_profile=SRGB_PROFILE + bytes(3 * 2**20))) == SRGB


@pytest.mark.parametrize(("chunks", "name"), [
    ([(b"gAMA", struct.pack(">I", 45455))], ""),
    ([(b"gAMA", struct.pack(">I", 100000))], "gAMA 1"),
    ([(b"gAMA", struct.pack(">I", 100000)), (b"sRGB", b"\0")], ""),
    ([(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))], ""),
    ([(b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000))], "cHRM"),
    ([(b"cICP", bytes((1, 13, 0, 1)))], ""),
    ([(b"cICP", bytes((12, 13, 0, 1)))], "colour primaries 12"),
    ([(b"cICP", bytes((1, 13, 0, 0)))], "limited-range samples"),
])  # fmt: skip
def test_the_chunks_of_a_png(picture: PillowImage.Image, chunks: list[tuple[bytes, bytes]], name: str) -> None:
    found = said(with_chunks(saved(picture, "PNG"), *chunks))
    assert name in found.name
    assert bool(name) == bool(found.name)
    assert not found.hdr


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_told(picture: PillowImage.Image, transfer: int, name: str) -> None:
    found = said(with_chunks(saved(picture, "PNG"), (b"cICP", bytes((9, transfer, 0, 1)))))
    assert found.hdr
    assert name in found.name
    avif = bytearray(saved(picture, "AVIF"))
    at = avif.index(b"nclx")
    assert said(bytes(avif)) == SRGB
    avif[at + 6 : at + 8] = struct.pack(">H", transfer)
    assert said(bytes(avif)).hdr


def test_bmp_and_tiff_say_it_in_their_own_words(picture: PillowImage.Image) -> None:
    assert said(saved(picture, "BMP")) == SRGB
    tiff = saved(picture, "TIFF", tiffinfo={318: (0.3, 0.3)})
    assert "WhitePoint" in said(tiff).name


def test_adobe_rgb_by_exif(picture: PillowImage.Image) -> None:
    def directory(tag: int, kind: int, count: int, value: int) -> bytes:
        return struct.pack("<HHHII", 1, tag, kind, count, value) + struct.pack("<I", 0)

    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8)
    exif += directory(0x8769, 4, 1, 26) + directory(0xA005, 4, 1, 44)
    exif += directory(1, 2, 4, int.from_bytes(b"R03\0", "little"))
    assert "Adobe RGB" in said(saved(picture, "JPEG", exif=exif)).name
