"""The files: what each is of, and what it decoded to when it was made."""

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from isorate.errors import CodecError


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """One file, and what it was measured as when it was made.

    Attributes
    ----------
    image
        ``kodim02``.
    pixels_sha256
        Of the photograph: :func:`isorate.image.pixels_sha256`.
    sha256
        Of the file.
    psnr, ms_ssim
        dB, 0..1.
    """

    image: str
    pixels_sha256: str
    sha256: str
    psnr: float
    ms_ssim: float

    def read(self) -> bytes:
        """Return the file.

        Raises
        ------
        CodecError
            When it is another one.
        """
        data = files("isorate.codecs.overfitted.shipped").joinpath(f"{self.image}.ofi").read_bytes()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise CodecError(f"{self.image}.ofi: not the file that came with isorate; install isorate again")
        return data


@cache
def shipped_files() -> tuple[ShippedFile, ...]:
    """Return all of them: the six photographs of the paper's supplementary at BPG's rates."""
    text = files("isorate.codecs.overfitted.shipped").joinpath("files.toml").read_text(encoding="utf-8")
    return tuple(ShippedFile(**entry) for entry in tomllib.loads(text)["file"])
