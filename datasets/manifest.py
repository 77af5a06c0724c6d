"""Manifests: the files of a published data set with their checksums, as TOML beside this module."""

import hashlib
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from isorate.errors import DatasetError


@dataclass(frozen=True, slots=True)
class DatasetManifest:
    """A published data set.

    Attributes
    ----------
    name
        The TOML file's name.
    title, licence, citation
        What the publisher says.
    mirrors
        Addresses with ``{file}`` or ``{number}``, in the order of trying.
    sha256
        File name to SHA-256 of the file.
    """

    name: str
    title: str
    licence: str
    citation: str
    mirrors: tuple[str, ...]
    sha256: dict[str, str]

    def check(self, path: Path) -> None:
        """Raise unless `path` is the published file of its name.

        Raises
        ------
        DatasetError
            When its checksum is another.
        """
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != self.sha256[path.name]:
            raise DatasetError(
                f"{path}: not the published {path.name} of {self.title} (SHA-256 {found[:12]}…, expected "
                f"{self.sha256[path.name][:12]}…); replace it, or rename it if another picture is meant"
            )


def load_manifest(name: str) -> DatasetManifest:
    """Return the manifest `name` (``kodak``, ``samples``)."""
    text = files("isorate.datasets").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return DatasetManifest(
        name, data["title"], data["licence"], data["citation"], tuple(data.get("mirrors", ())), data["sha256"]
    )
