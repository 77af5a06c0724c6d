"""Checksums of many files, on every core and with a bar."""

import errno
import hashlib
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isorate.errors import DatasetError
from isorate.files.plain import not_plain

THREADS = min(8, os.cpu_count() or 1)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file.

    Raises
    ------
    DatasetError
        When it cannot be read.
    """
    try:
        if path.exists() and not path.is_dir() and (why := not_plain(path, sys.maxsize)):
            raise OSError(errno.EINVAL, why)  # a pipe would be waited for
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None


def checksums(paths: Sequence[Path], what: str) -> list[str]:
    """Return the SHA-256 of each file; threads do it, for hashing releases Python's lock.

    Parameters
    ----------
    paths
        The files.
    what
        What the bar is called.

    Raises
    ------
    DatasetError
        When one cannot be read.
    """
    from tqdm import tqdm

    with ThreadPoolExecutor(THREADS) as pool:
        return list(tqdm(pool.map(file_sha256, paths), what, len(paths), unit="file", leave=False, disable=None))
