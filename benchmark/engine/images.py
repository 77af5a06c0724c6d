"""A plan's images, read and hashed before anything runs: on every core, with progress, and again only where changed."""

import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from isorate import pictures
from isorate.datasets import images
from isorate.datasets.base import Source
from isorate.datasets.images import Part
from isorate.pictures.names import readable
from isorate.runs.folder import SETTLED_NS, Run
from isorate.runs.manifest import ImageEntry
from isorate.runs.provenance import usable_cores

AT_ONCE = 1024
"""Items that wait for a thread."""

Preparing = Callable[[str, int, int], None]
"""Called while a run is prepared: what is done, how many are done, and how many there are."""

T = TypeVar("T")
R = TypeVar("R")


def on_every_core(work: Callable[[T], R], items: Sequence[T], what: str, preparing: Preparing | None) -> Iterator[R]:
    """Yield ``work(item)`` of each item, in order; threads do it, for pictures and checksums release Python's lock."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ignores warnings in a thread alone would leave them so
        with ThreadPoolExecutor(usable_cores()) as pool:
            parts = (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))
            for done, result in enumerate((result for part in parts for result in pool.map(work, part)), 1):
                yield result
                if preparing:
                    preparing(what, done, len(items))


def read_images(
    sources: Sequence[Source], before: Run | None, preparing: Preparing | None
) -> tuple[tuple[ImageEntry, ...], dict[str, str]]:
    """Return what there is to say of each image, and the stamp of its file.

    Parameters
    ----------
    sources
        The images.
    before
        The run that is continued: an image whose file has the stamp of then is what the manifest says.
    preparing
        Called as images are read.
    """
    stamps = {source.name: stamp(source.path, source.part) for source in sources}
    then = before.stamps() if before else {}
    known: dict[str, ImageEntry] = {}
    for source in sources:
        now = stamps[source.name]
        entry = before.entry(source.name) if before and now and then.get(source.name) == now else None
        if entry is not None and entry.error is None and source.sha256 in ("", entry.source_sha256):
            if (entry.file, entry.image_class) != (file := readable(source.file_name), source.image_class):
                entry = replace(entry, file=file, image_class=source.image_class)
            known[source.name] = entry
    unread = [source for source in sources if source.name not in known]
    for source, entry in zip(unread, on_every_core(ImageEntry.of, unread, "reading images", preparing), strict=True):
        known[source.name] = entry
    return tuple(known[source.name] for source in sources), stamps


def stamp(path: Path, part: Part | None = None) -> str:
    """Return a digest that changes with the file at `path` and with what reads it; empty where that cannot be told.

    It is of the file's place, size, number and times, and of the part that is meant; a reader of the run learns none.
    """
    try:
        about = path.stat()
    except OSError:
        return ""
    if max(about.st_mtime_ns, about.st_ctime_ns) > time.time_ns() - SETTLED_NS:
        return ""
    parts = (
        _reader(),
        path.absolute(),
        about.st_dev,
        about.st_ino,
        about.st_size,
        about.st_mtime_ns,
        about.st_ctime_ns,
        *((part.name, part.offset, part.num_bytes) if part else ()),
    )
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()[:32]


@cache
def _reader() -> str:
    """Return a digest of what makes pixels of a file."""
    sources = [Path(images.__file__), *sorted(Path(pictures.__path__[0]).glob("*.py"))]
    digest = hashlib.sha256(f"pillow {version('pillow')}".encode())
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()
