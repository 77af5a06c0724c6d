"""Kodak's 24 photographs: the user's folder, then the cache, then the public addresses; always checked."""

import os
from pathlib import Path

from isorate.datasets.base import Dataset, Source
from isorate.datasets.download import download
from isorate.datasets.manifest import DatasetManifest, load_manifest
from isorate.errors import DatasetError

ENVIRONMENT = "ISORATE_KODAK_DIR"


def kodak(cache: Path | None) -> Dataset:
    """Return the data set, downloading it into `cache` when neither the user's folder nor the cache has it.

    Raises
    ------
    DatasetError
        When a file is missing from the folder the user named, is not the published one, or cannot be downloaded.
    """
    manifest = load_manifest("kodak")
    folder = kodak_folder(cache)
    files = [(file, folder / file.path) for file in manifest.files]
    if missing := [(file, path) for file, path in files if not path.is_file()]:
        if os.environ.get(ENVIRONMENT):
            raise DatasetError(
                f"{ENVIRONMENT}={folder}: {len(missing)} of {len(files)} files missing ({missing[0][0].path} …); "
                "put all of Kodak's PNGs there, or unset it to download them"
            )
        download(manifest, missing, remedy=_remedy(folder))
    return checked(manifest, folder)


def kodak_folder(cache: Path | None) -> Path:
    """Return where Kodak's files are looked for: the folder the user named, else one in the cache.

    Raises
    ------
    DatasetError
        When there is neither.
    """
    if chosen := os.environ.get(ENVIRONMENT):
        return Path(chosen)
    if cache is None:
        raise DatasetError(
            f"kodak: this user has no home for a cache; name the photographs' folder in {ENVIRONMENT}, "
            "or a folder for downloads in ISORATE_CACHE_DIR"
        )
    return cache / "kodak"


def checked(manifest: DatasetManifest, folder: Path) -> Dataset:
    """Return the manifest's images in `folder`, every file checked against its SHA-256."""
    for name in manifest.sha256:
        manifest.check(folder / name)
    sources = tuple(Source(Path(name).stem, folder / name) for name in sorted(manifest.sha256))
    return Dataset(manifest.name, sources, manifest.title, manifest.licence, manifest.citation)


def _remedy(folder: Path) -> str:
    return (
        f"put kodim01.png … kodim24.png into {folder}, or name their folder in {ENVIRONMENT} or --data; "
        "'make demo' does the same comparison offline on photographs that are already here"
    )
