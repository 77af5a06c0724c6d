"""Saying where a data set is without fetching it."""

from pathlib import Path

from isorate.datasets.kodak import kodak_folder
from isorate.datasets.manifest import load_manifest
from isorate.datasets.samples import samples
from isorate.errors import DatasetError


def whereabouts(name: str, cache: Path | None) -> str:
    """Return one line: where the data set `name` lies and whether it is whole and as published."""
    manifest = load_manifest(name)
    try:
        if name == "samples":
            return f"found     {samples().sources[0].path.parent}"
        folder = kodak_folder(cache)
        missing = [file for file in manifest.sha256 if not (folder / file).is_file()]
        if missing:
            return f"missing   {len(missing)} of {len(manifest.sha256)} files in {folder}; downloaded when needed"
        for file in manifest.sha256:
            manifest.check(folder / file)
    except DatasetError as error:
        return f"refused   {error}"
    return f"found     {folder}, checksums match"
