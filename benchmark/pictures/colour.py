"""Which colours the samples of a picture file stand for, as the file itself says, and the way to sRGB.

A file that says nothing holds sRGB. Whether a profile is sRGB's is decided by what it does to samples, not by its name.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import ExifTags, ImageCms
from PIL import Image as PillowImage

from isorate.pictures.boxes import find
from isorate.pictures.depth import start_of_frame

UNMANAGED = "colour not managed"
"""How the note begins that the samples were taken as sRGB although the file says something else."""

UNUSABLE = "an ICC profile that cannot be used"
ICC_SEGMENT = b"ICC_PROFILE\0"

SAME_LEVELS = 2
"""Profiles that move no sample by more than this are sRGB: rounded tables of several makers differ by 1."""

SRGB_GAMMA = 0.45455
SRGB_CHROMATICITIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""White, red, green and blue."""

SRGB_CODE_POINTS = ((1, 13),)
UNSPECIFIED = 2
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273 whose samples are no picture on a display of sRGB."""

BMP_CALIBRATED, BMP_EMBEDDED = 0, int.from_bytes(b"MBED")
TIFF_TRANSFER_FUNCTION, TIFF_WHITE_POINT, TIFF_PRIMARIES = 301, 318, 319


@dataclass(frozen=True, slots=True)
class Colour:
    """What a file says of its colours; nothing for sRGB.

    Attributes
    ----------
    profile
        An ICC profile that leads to sRGB, or no bytes.
    name
        What the samples are, where they are not sRGB: the profile's name, or what the file says.
    hdr
        Whether the samples need tone mapping.
    """

    profile: bytes = b""
    name: str = ""
    hdr: bool = False


SRGB = Colour()


def colour_of(data: bytes, picture: PillowImage.Image) -> Colour:
    """Return what the file `data`, opened as `picture`, says of its colours.

    Parameters
    ----------
    data
        The whole file.
    picture
        The same, opened by Pillow.
    """
    code_points = list(_code_points(data))
    for primaries, transfer in code_points:
        if transfer in HDR_TRANSFERS:
            return Colour(name=f"{HDR_TRANSFERS[transfer]} (colour primaries {primaries})", hdr=True)
    specified = [pair for pair in code_points if pair != (UNSPECIFIED, UNSPECIFIED)]
    profile = picture.info.get("icc_profile") or _bmp_profile(data)
    if _limited_range(data):
        return Colour(name="limited-range samples (cICP)")
    if data.startswith(PNG) and specified:  # a cICP chunk counts more than a profile
        return _of_code_points(specified)
    if profile:
        return _of_profile(profile, grey=picture.mode in ("1", "L", "LA", "I", "F"))
    if specified:
        return _of_code_points(specified)
    said = ", ".join(_other(data, picture))
    return Colour(name=said) if said else SRGB


def to_srgb(picture: PillowImage.Image, profile: bytes) -> PillowImage.Image:
    """Return `picture` as sRGB: littleCMS, relative colorimetric with black point compensation.

    Parameters
    ----------
    picture
        Without transparency; grey is made RGB first where the profile is one of RGB.
    profile
        An ICC profile that :func:`colour_of` gave.
    """
    transform, mode = _transform(profile)
    return transform.apply(picture.convert(mode))


def _of_code_points(pairs: list[tuple[int, int]]) -> Colour:
    if all(pair in SRGB_CODE_POINTS for pair in pairs):
        return SRGB
    primaries, transfer = next(pair for pair in pairs if pair not in SRGB_CODE_POINTS)
    return Colour(name=f"colour primaries {primaries} and transfer {transfer} of H.273")


def _of_profile(profile: bytes, *, grey: bool) -> Colour:
    if transfer := _cicp_tag(profile):
        return Colour(name=f"{HDR_TRANSFERS[transfer]} (ICC profile)", hdr=True)
    try:
        transform, mode = _transform(profile)
    except ImageCms.PyCMSError:
        return Colour(name=UNUSABLE)
    if mode == "L" and not grey:
        return Colour(name="an ICC profile for grey pictures")
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    if mode == "L":
        samples = levels[None]
        expected = np.repeat(samples[..., None], 3, axis=2)
    else:
        samples = expected = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    found = np.asarray(transform.apply(PillowImage.fromarray(samples)))
    if np.abs(found.astype(int) - expected).max() <= SAME_LEVELS:
        return SRGB
    return Colour(profile, f"ICC profile “{_name(profile)}”")


@lru_cache(maxsize=8)
def _transform(profile: bytes) -> tuple[ImageCms.ImageCmsTransform, str]:
    """Return the way from a profile to sRGB, and the mode of the pictures that it takes.

    Raises
    ------
    PyCMSError
        When littleCMS cannot use the profile, or it is neither for RGB nor for grey.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = {"RGB": "RGB", "GRAY": "L"}[source.profile.xcolor_space.strip()]
        return ImageCms.buildTransform(
            source, ImageCms.createProfile("sRGB"), mode, "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION,
        ), mode  # fmt: skip
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ImageCms.PyCMSError(str(error)) from None


def _name(profile: bytes) -> str:
    said = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.profile_description or "without a name"
    return " ".join(said.split())[:60]


def _cicp_tag(profile: bytes) -> int:
    """Return the transfer characteristics of an HDR profile (ICC.1:2022 9.2.17), 0 for other profiles."""
    count = int.from_bytes(profile[128:132])
    for at in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        if profile[at : at + 4] == b"cicp":
            offset = int.from_bytes(profile[at + 4 : at + 8])
            transfer = int.from_bytes(profile[offset + 9 : offset + 10])
            return transfer if transfer in HDR_TRANSFERS else 0
    return 0


PNG = b"\x89PNG\r\n\x1a\n"


def _png_chunks(data: bytes) -> dict[bytes, bytes]:
    """Return the chunks of a PNG before its samples."""
    found: dict[bytes, bytes] = {}
    at = len(PNG)
    while data.startswith(PNG) and at + 8 <= len(data) and (kind := data[at + 4 : at + 8]) != b"IDAT":
        size = int.from_bytes(data[at : at + 4])
        found.setdefault(kind, data[at + 8 : at + 8 + size])
        at += 12 + size
    return found


def _code_points(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield primaries and transfer characteristics (ITU-T H.273) of a PNG's cICP chunk or an AVIF's nclx boxes."""
    cicp = _png_chunks(data).get(b"cICP", b"")
    if len(cicp) >= 2:
        yield cicp[0], cicp[1]
    if data[4:8] == b"ftyp":
        for content in find(data, b"meta", b"iprp", b"ipco", b"colr"):
            if content.startswith(b"nclx") and len(content) >= 8:
                yield struct.unpack_from(">HH", content, 4)


def _limited_range(data: bytes) -> bool:
    """Whether the cICP chunk of a PNG says that black is not 0 and white not the largest value."""
    cicp = _png_chunks(data).get(b"cICP", b"")
    return len(cicp) >= 4 and cicp[3] == 0


def _other(data: bytes, picture: PillowImage.Image) -> Iterator[str]:
    """Yield what is said in a format's own words and is not sRGB."""
    if picture.format == "PNG":
        yield from _png(_png_chunks(data))
    elif picture.format == "BMP":
        yield from _bmp(data)
    elif picture.format == "TIFF":
        tags = picture.tag_v2  # type: ignore[attr-defined]
        for tag, name in (
            (TIFF_TRANSFER_FUNCTION, "TransferFunction"),
            (TIFF_WHITE_POINT, "WhitePoint"),
            (TIFF_PRIMARIES, "PrimaryChromaticities"),
        ):
            if tag in tags:
                yield f"TIFF {name}"
    elif picture.format == "JPEG2000":
        for content in find(data, b"jp2h", b"colr"):
            if content[:1] != b"\1" or int.from_bytes(content[3:7]) not in (16, 17, 18):
                yield "JP2 colour specification"
    elif picture.format == "JPEG" and ICC_SEGMENT in data[: start_of_frame(data)]:
        yield UNUSABLE
    elif _interoperability(picture) == "R03":
        yield "Adobe RGB (Exif)"


def _png(chunks: dict[bytes, bytes]) -> Iterator[str]:
    if b"iCCP" in chunks:  # and Pillow found no profile in it
        yield UNUSABLE
        return
    if b"sRGB" in chunks:
        return
    if len(gamma := chunks.get(b"gAMA", b"")) == 4:
        value = int.from_bytes(gamma) / 1e5
        if abs(value / SRGB_GAMMA - 1) > 0.02:
            yield f"gAMA {value:g}"
    if len(chromaticities := chunks.get(b"cHRM", b"")) == 32:
        values = [value / 1e5 for value in struct.unpack(">8I", chromaticities)]
        if any(abs(a - b) > 0.005 for a, b in zip(values, SRGB_CHROMATICITIES, strict=True)):
            yield "cHRM " + " ".join(f"{value:g}" for value in values)


def _bmp_space(data: bytes) -> int | None:
    """Return ``bV4CSType`` of a BMP whose header has one."""
    if data[:2] != b"BM" or len(data) < 138 or int.from_bytes(data[14:18], "little") < 108:
        return None
    return int.from_bytes(data[70:74], "little")


def _bmp(data: bytes) -> Iterator[str]:
    if _bmp_space(data) == BMP_CALIBRATED and any(data[74:110]):
        yield "calibrated RGB of the BMP header"


def _bmp_profile(data: bytes) -> bytes:
    if _bmp_space(data) != BMP_EMBEDDED:
        return b""
    offset, size = struct.unpack_from("<II", data, 126)
    return data[14 + offset : 14 + offset + size]


def _interoperability(picture: PillowImage.Image) -> object:
    """Return the index of EXIF's interoperability rules: ``R03`` stands for Adobe RGB (DCF 2.0)."""
    try:
        return picture.getexif().get_ifd(ExifTags.IFD.Interop).get(1)
    except KeyError:  # Pillow 11 where there are none
        return None
