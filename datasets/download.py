"""Downloading a manifest's files by pooch: several mirrors, retries, a progress bar, checksums, and a limit."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from isorate.datasets.manifest import DatasetManifest, ManifestFile
from isorate.errors import DatasetError
from isorate.files.plain import LARGEST_PICTURE

TIMEOUT_S = 20
TRIES = 2
LARGEST_TAR = 2**40
"""Bytes."""


def download(manifest: DatasetManifest, files: Sequence[tuple[ManifestFile, Path]], remedy: str) -> None:
    """Fetch each file to its path; one is there whole and checked, or not at all.

    A mirror that failed is tried last for the next file.

    Raises
    ------
    DatasetError
        When no address gives a file; the message lists what each said, and `remedy`.
    """
    import pooch
    from tqdm import tqdm

    pooch.get_logger().setLevel("WARNING")
    mirrors = list(manifest.mirrors)
    title = manifest.title or manifest.name
    for file, path in tqdm(files, desc=f"downloading {title}", unit="file", leave=False, disable=None):
        said = []
        for mirror in [file.url] if file.url else list(mirrors):
            url = mirror if file.url else _address(mirror, file.path)
            try:
                _retrieve(url, file.sha256, path.name, path.parent, LARGEST_TAR if file.is_tar else LARGEST_PICTURE)
                break
            except (OSError, ValueError) as error:
                said.append(f"  {url}: {_short(error)}")
                if not file.url:
                    mirrors.remove(mirror)
                    mirrors.append(mirror)
        else:
            raise DatasetError(
                f"{title}: {file.path} could not be downloaded:\n" + "\n".join(said) + f"\nRemedy: {remedy}"
            )


def _address(mirror: str, path: str) -> str:
    """Return where a mirror has a file: ``{file}`` is its path, ``{number}`` the digits of it without zeros before."""
    number = int(re.sub(r"[^0-9]", "", path)[:18] or 0)
    return mirror.replace("{file}", quote(path)).replace("{number}", str(number))


def _retrieve(url: str, sha256: str, name: str, folder: Path, most: int) -> None:
    import pooch

    for attempt in range(TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=folder, downloader=_Downloader(most))
            return
        except OSError as error:
            response = getattr(error, "response", None)
            if attempt + 1 == TRIES or (response is not None and response.status_code < 500):
                raise


class _Downloader:
    """Pooch's download by HTTP, which ends where a server sends more bytes than a file may have."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, url: str, output_file: str, pooch_: object, check_only: bool = False) -> None:
        import pooch

        with Path(output_file).open("wb") as file:
            pooch.HTTPDownloader(timeout=TIMEOUT_S)(url, _Limited(file, self._most), pooch_, check_only=check_only)


class _Limited:
    """A file that takes so many bytes and no more."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left
        self.flush = file.flush

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("sends more bytes than such a file may have")
        self._file.write(data)


def _short(error: Exception) -> str:
    import requests

    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    text = str(error).splitlines()[0]
    return text if len(text) < 160 else text[:157] + "…"
