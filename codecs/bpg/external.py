"""The external back end: libbpg's ``bpgenc`` and ``bpgdec``, run as programs."""

import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from isorate.codecs.program import quoted, run_program, time_limit
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, ImageError
from isorate.files.code import file_digest
from isorate.image import Image
from isorate.pictures.files import cut_files_refused, open_picture, save_picture

ENCODER_VARIABLE, DECODER_VARIABLE = "ISORATE_BPGENC", "ISORATE_BPGDEC"
TIME_LIMIT_VARIABLE = "ISORATE_BPG_TIMEOUT"
TIME_LIMIT, TIME_LIMIT_PER_MEGAPIXEL = 120.0, 30.0
"""Seconds that one run may take, unless :data:`TIME_LIMIT_VARIABLE` says otherwise; jctvc needs 10 a megapixel."""


def find(program: str, variable: str) -> str | None:
    """Return the path of `program`: the one that the environment's `variable` names, else the one on PATH.

    Raises
    ------
    CodecUnavailableError
        When `variable` names something that cannot be run.
    """
    named = os.environ.get(variable)
    if not named:
        return shutil.which(program)
    found = shutil.which(named)
    if found is None:
        raise CodecUnavailableError(f"bpg: {variable}={named} is no executable program; correct it or unset it")
    return found


def encoder() -> str:
    """Return the path of bpgenc.

    Raises
    ------
    CodecUnavailableError
        When there is none.
    """
    found = find("bpgenc", ENCODER_VARIABLE)
    if found is None:
        raise CodecUnavailableError(
            f"bpg: bpgenc is neither on PATH nor named by {ENCODER_VARIABLE}; build it from libbpg's source "
            "(https://bellard.org/bpg/), or use backend=embedded"
        )
    return found


def version(program: str) -> str:
    """Return the version that `program` prints in its usage text."""
    return _version(program, file_digest(Path(program)))


@cache
def _version(program: str, _content: str) -> str:
    # printed with status 1
    usage = run_program([program], "bpg", _time_limit(0), TIME_LIMIT_VARIABLE, accept=lambda status: status in (0, 1))
    found = re.search(r"version\s+(\S+)", usage)
    if found is None:
        raise CodecUnavailableError(f"bpg: {program} prints no version: is it libbpg's?")
    return found[1]


def encode(image: Image, qp: int, *, encoder_name: str, chroma: str, bit_depth: int, level: int) -> bytes:
    """Return the file that bpgenc writes.

    Parameters
    ----------
    image
        Shape ``(height, width, 3)``, uint8.
    qp
        Quantization parameter, 0..51.
    encoder_name
        ``x265`` or ``jctvc``.
    chroma, bit_depth, level
        bpgenc's ``-f``, ``-b`` and ``-m``.
    """
    with tempfile.TemporaryDirectory(prefix="isorate-bpg-") as folder:
        source, target = Path(folder) / "image.png", Path(folder) / "image.bpg"
        source.write_bytes(save_picture(image, "PNG", compress_level=1))
        words = ["-e", encoder_name, "-c", "ycbcr", "-f", chroma, "-b", str(bit_depth), "-m", str(level)]
        height, width = image.shape[:2]
        said = _run([encoder(), *words, "-q", str(qp), "-o", str(target), str(source)], height * width)
        if not target.is_file() or not target.stat().st_size:
            raise CodecError(f"bpg: bpgenc wrote nothing for a picture of {width}×{height}{quoted(said)}")
        return target.read_bytes()


def decode(program: str, data: bytes, pixels: int) -> Image:
    """Return the pixels that bpgdec, at `program`, writes for a BPG file of that many `pixels`."""
    with tempfile.TemporaryDirectory(prefix="isorate-bpg-") as folder:
        source, target = Path(folder) / "image.bpg", Path(folder) / "image.ppm"
        source.write_bytes(data)
        try:
            said = _run([program, "-o", str(target), str(source)], pixels)
        except CodecUnavailableError:
            raise
        except CodecError as error:
            raise BitstreamError(str(error)) from None
        try:
            with cut_files_refused(), open_picture(target.read_bytes(), ["PPM"]) as image:
                return np.asarray(image.convert("RGB"))
        except (OSError, ImageError) as error:
            raise BitstreamError(f"bpg: bpgdec wrote no picture: {error}{quoted(said)}") from None


def _run(command: list[str], pixels: int = 0) -> str:
    return run_program(command, "bpg", _time_limit(pixels), TIME_LIMIT_VARIABLE)


def _time_limit(pixels: int) -> float:
    return time_limit("bpg", TIME_LIMIT_VARIABLE, TIME_LIMIT + TIME_LIMIT_PER_MEGAPIXEL * pixels / 1e6)
