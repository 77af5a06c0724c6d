"""Decode photographs once: folders and tars of images to the raw memory map that training reads."""

import json
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from isorate.codecs.learned.training.data import PACK_VERSION, pack_files
from isorate.errors import DatasetError
from isorate.files.atomic import write_bytes
from isorate.pictures.files import FORMATS, cut_files_refused, open_picture

SUFFIXES = frozenset({".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
IN_FLIGHT = 64


def encoded_images(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of every image file in a folder (at any depth, sorted) or a tar.

    Raises
    ------
    DatasetError
        When a file cannot be read, or the tar is damaged.
    """
    try:
        yield from _in_folder(source) if source.is_dir() else _in_tar(source)
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise DatasetError(f"{source} cannot be read: {error}; fetch it again, or leave it out") from None


def _in_folder(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(source.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            yield str(path.relative_to(source)), path.read_bytes()


def _in_tar(source: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(source) as archive:
        for member in archive:
            file = archive.extractfile(member) if Path(member.name).suffix.lower() in SUFFIXES else None
            if file is not None:
                yield member.name, file.read()


def decode(named: tuple[str, bytes]) -> tuple[str, NDArray[np.uint8]]:
    """Return the name and the RGB pixels, (height, width, 3), of one encoded image."""
    name, data = named
    try:
        with cut_files_refused(), open_picture(data, FORMATS) as image:
            return name, np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow's plugins fail in many ways on damaged files
        raise DatasetError(f"{name} cannot be decoded: {error}; fetch it again, or leave it out") from error


def pack(out: Path, sources: Sequence[Path], workers: int = 1) -> int:
    """Decode all images of `sources` into ``out.bin`` and ``out.json``; return how many there are.

    An earlier pack of that name stays until all images are decoded. The index is written last, so that an interrupted
    pack is never taken for a whole one.

    Raises
    ------
    DatasetError
        When a source is neither a folder nor a tar, a file cannot be read or written, an image cannot be decoded, or
        there is none.
    """
    for source in sources:
        if not (source.is_dir() or (source.is_file() and tarfile.is_tarfile(source))):
            raise DatasetError(f"{source} is neither a folder nor a tar of images")
    bin_file, index = pack_files(out)
    encoded = (image for source in sources for image in encoded_images(source))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            partial = Path(folder) / bin_file.name
            rows = _write_pixels(partial, encoded, workers)
            if not rows:
                raise DatasetError(f"no images in {', '.join(map(str, sources))}; name folders or tars that hold some")
            index.unlink(missing_ok=True)
            partial.replace(bin_file)
    except OSError as error:
        raise DatasetError(f"{error.filename or out}: {error.strerror}; choose a folder with room and rights") from None
    write_bytes(index, json.dumps({"version": PACK_VERSION, "images": rows}).encode())
    return len(rows)


def _write_pixels(path: Path, encoded: Iterator[tuple[str, bytes]], workers: int) -> list[tuple[str, int, int, int]]:
    """Write the pixels of all images to `path`; return name, first byte, height and width of each."""
    rows = []
    offset = 0
    with path.open("wb") as file, ProcessPoolExecutor(workers) as pool:
        for name, pixels in tqdm(_in_order(pool, encoded), unit="image", disable=None):
            file.write(pixels.tobytes())
            rows.append((name, offset, pixels.shape[0], pixels.shape[1]))
            offset += pixels.size
        file.flush()
        os.fsync(file.fileno())
    return rows


def _in_order(
    pool: ProcessPoolExecutor, encoded: Iterator[tuple[str, bytes]]
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield decoded images in the order of `encoded`, a bounded number of them under way."""
    waiting = []
    for item in encoded:
        waiting.append(pool.submit(decode, item))
        if len(waiting) >= IN_FLIGHT:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()
