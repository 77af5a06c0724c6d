"""The user's ``isorate.toml``: the one that is named, else the one in this folder; the command line overrides it."""

from pathlib import Path
from typing import Any

from isorate.cli.config import Settings, read_settings
from isorate.files.toml import TomlFile

DEFAULT = Path("isorate.toml")


def settings(config: Path | None, **given: Any) -> Settings:
    """Return the configuration's settings, overridden by those options that are not None.

    Raises
    ------
    UsageError
        When the file cannot be read or says something unusable.
    """
    if config is None and not DEFAULT.is_file():
        return Settings().changed(**given)
    return read_settings(TomlFile.read(config or DEFAULT)).changed(**given)
