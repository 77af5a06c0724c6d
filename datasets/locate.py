"""Where a data set is, and whether it is whole, without fetching it."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from isorate.datasets.described import places
from isorate.datasets.kodak import ENVIRONMENT, kodak_folder
from isorate.datasets.manifest import DatasetManifest, load_manifest
from isorate.datasets.samples import samples
from isorate.errors import DatasetError


class Presence(StrEnum):
    """What there is of a data set."""

    FOUND = "found"
    MISSING = "missing"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Located:
    """Where a data set is.

    Attributes
    ----------
    state
        Whole and as published; to be downloaded when needed; or not usable as it lies there.
    said
        One line for a reader: the folder and what is there, or why it is refused and the remedy.
    """

    state: Presence
    said: str


def locate(name: str, cache: Path | None) -> Located:
    """Return where the built-in data set `name` is; every file that is there is checked against its SHA-256."""
    manifest = load_manifest(name)
    try:
        folder = samples().sources[0].path.parent if name == "samples" else kodak_folder(cache)
        files = [folder / file for file in manifest.sha256]
        if missing := [file for file in files if not file.is_file()]:
            said = f"{len(missing)} of {len(files)} files missing in {folder}"
            if os.environ.get(ENVIRONMENT):
                return Located(Presence.REFUSED, f"{said}; put them there, or unset {ENVIRONMENT}")
            return Located(Presence.MISSING, f"{said}; downloaded when needed, or name their folder in {ENVIRONMENT}")
        for file in files:
            manifest.check(file)
    except DatasetError as error:
        return Located(Presence.REFUSED, str(error))
    return Located(Presence.FOUND, f"{len(files)} files in {folder}, checksums match")


def locate_files(manifest: DatasetManifest, cache: Path | None) -> Located:
    """Return where the files of a manifest are; a run checks them, this does not read them."""
    found = places(manifest, cache and cache / "datasets")
    said = f"{len(found.here)} of {len(manifest.files)} files in {manifest.folder}"
    if found.to_fetch or any(path != manifest.folder / file.path for file, path in found.here.items()):
        said += " or downloaded"
    if found.missing:
        return Located(Presence.REFUSED, f"{said}; {found.missing[0].path} is missing: put it there, or give its url")
    if found.to_fetch:
        return Located(Presence.MISSING, f"{said}; the others are downloaded when needed")
    return Located(Presence.FOUND, said)
