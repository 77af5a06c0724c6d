"""From a manifest to a data set: its files found, downloaded where they are not here, and tars looked into."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

from isorate.datasets.base import Dataset, Source, not_the_file
from isorate.datasets.download import download
from isorate.datasets.hashing import checksums
from isorate.datasets.manifest import DatasetManifest, ManifestFile, load_manifest
from isorate.datasets.names import image_names
from isorate.datasets.tars import pictures_in
from isorate.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of a manifest are.

    Attributes
    ----------
    here
        The path of each file that is on this machine, in the data set's folder or in the cache.
    to_fetch
        Those that can be downloaded, with where they will lie.
    missing
        Those that are nowhere.
    """

    here: dict[ManifestFile, Path]
    to_fetch: list[tuple[ManifestFile, Path]]
    missing: list[ManifestFile]


def places(manifest: DatasetManifest, cache: Path | None) -> Places:
    """Return where a manifest's files are; `cache` is the user's folder for downloads, or None where there is none."""
    found = Places({}, [], [])
    for file in manifest.files:
        own = manifest.folder / file.path
        cached = _cached(file, cache) if file.url or manifest.mirrors else None
        if own.is_file():
            found.here[file] = own
        elif cached is None:
            found.missing.append(file)
        elif cached.is_file():
            found.here[file] = cached
        else:
            found.to_fetch.append((file, cached))
    return found


def _cached(file: ManifestFile, cache: Path | None) -> Path | None:
    """Return where a download lies: by its checksum, so that no two files meet and none is fetched twice."""
    if cache is None:
        return None
    return cache / "files" / file.sha256[:2] / f"{file.sha256}{PurePosixPath(file.path).suffix.lower()}"


def described(manifest: DatasetManifest, cache: Path | None) -> Dataset:
    """Return the data set of a manifest, downloading into `cache` what is not here.

    Tars are held against their checksums here, pictures when they are read.

    Raises
    ------
    DatasetError
        When a file is missing, cannot be downloaded, or is a tar that is damaged or another one.
    """
    found = places(manifest, cache)
    if found.missing:
        where = f"in {manifest.folder}"
        raise DatasetError(
            f"{manifest.name}: {len(found.missing)} of {len(manifest.files)} files missing {where} "
            f"({found.missing[0].path} …); put them there, or correct the folder or the paths of the manifest"
            + ("; a user without a home names a folder for downloads in ISORATE_CACHE_DIR" if cache is None else "")
        )
    if found.to_fetch:
        download(
            manifest, found.to_fetch, f"try again when there is a network, or put the files into {manifest.folder}"
        )
        found.here.update(found.to_fetch)
    pictures = list(_pictures(manifest, found.here))
    names = image_names([PurePosixPath(source.file) for source in pictures])
    sources = (replace(source, name=name) for name, source in zip(names, pictures, strict=True))
    return Dataset(manifest.name, tuple(sources), manifest.title, manifest.licence, manifest.citation, manifest.source)


def _pictures(manifest: DatasetManifest, here: dict[ManifestFile, Path]) -> Iterator[Source]:
    """Yield the pictures, without names: those of a tar stand in its place."""
    _check_tars({file: here[file] for file in manifest.files if file.is_tar and file.sha256})
    for file in manifest.files:
        path = here[file]
        if file.is_tar:
            for part in pictures_in(path):
                inside = f"{file.path}/{part.name}"
                yield Source("", path, inside, part, _kodaks(part.name), manifest.class_of(file, part.name))
        else:
            sha256 = _kodaks(file.path)
            if file.sha256 and sha256 not in ("", file.sha256):
                raise DatasetError(f"{path}: has the name of one of Kodak's files, and is another picture; rename it")
            yield Source("", path, file.path, None, sha256 or file.sha256, manifest.class_of(file, file.path))


def _kodaks(path: str) -> str:
    """Return the checksum of Kodak's file of this name, for one that bears it must be it, as in every folder."""
    return _kodak().get(PurePosixPath(path).name, "")


@cache
def _kodak() -> dict[str, str]:
    return load_manifest("kodak").sha256


def _check_tars(tars: dict[ManifestFile, Path]) -> None:
    found = checksums(list(tars.values()), "checking tars") if tars else []
    for (file, path), sha256 in zip(tars.items(), found, strict=True):
        if sha256 != file.sha256:
            raise DatasetError(not_the_file(path, file.path, sha256, file.sha256))
