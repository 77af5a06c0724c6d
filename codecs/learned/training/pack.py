"""Decode photographs once: folders and tars of images to the raw memory map that training reads."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from isorate.codecs.learned.training.data import PACK_VERSION
from isorate.errors import DatasetError
from isorate.pictures.files import FORMATS, open_picture

SUFFIXES = frozenset({".avif", ".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
IN_FLIGHT = 64


def encoded_images(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of every image file in a folder (at any depth, sorted) or a tar."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                yield str(path.relative_to(source)), path.read_bytes()
    else:
        with tarfile.open(source) as archive:
            for member in archive:
                file = archive.extractfile(member) if Path(member.name).suffix.lower() in SUFFIXES else None
                if file is not None:
                    yield member.name, file.read()


def decode(named: tuple[str, bytes]) -> tuple[str, NDArray[np.uint8]]:
    """Return the name and the RGB pixels, (height, width, 3), of one encoded image."""
    name, data = named
    try:
        with open_picture(data, FORMATS) as image:
            return name, np.asarray(image.convert("RGB"))
    except OSError as error:
        raise DatasetError(f"{name} cannot be decoded: {error}") from error


def pack(out: Path, sources: Sequence[Path], workers: int = 1) -> int:
    """Decode all images of `sources` into ``out.bin`` and ``out.json``; return how many there are.

    The index is written last, so that an interrupted pack is never taken for a whole one.

    Raises
    ------
    DatasetError
        When a source is neither a folder nor a tar, an image cannot be decoded, or there is none.
    """
    for source in sources:
        if not (source.is_dir() or (source.is_file() and tarfile.is_tarfile(source))):
            raise DatasetError(f"{source} is neither a folder nor a tar of images")
    out.parent.mkdir(parents=True, exist_ok=True)
    index = out.with_suffix(".json")
    index.unlink(missing_ok=True)
    rows: list[tuple[str, int, int, int]] = []
    offset = 0
    encoded = (image for source in sources for image in encoded_images(source))
    with out.with_suffix(".bin").open("wb") as file, ProcessPoolExecutor(workers) as pool:
        for name, pixels in tqdm(_in_order(pool, encoded), unit="image", disable=None):
            file.write(pixels.tobytes())
            rows.append((name, offset, pixels.shape[0], pixels.shape[1]))
            offset += pixels.size
    if not rows:
        raise DatasetError(f"no images in {', '.join(map(str, sources))}")
    index.write_text(json.dumps({"version": PACK_VERSION, "images": rows}), encoding="utf-8")
    return len(rows)


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
