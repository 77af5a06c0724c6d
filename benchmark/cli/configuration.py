"""The user's ``isorate.toml``: the one that is named, else the one in this folder."""

from pathlib import Path

from isorate.gate.tolerances import Tolerances, read_tolerances
from isorate.toml_file import TomlFile

DEFAULT = Path("isorate.toml")


def read(config: Path | None) -> TomlFile | None:
    """Return the configuration file, or None where none is named and this folder has none."""
    if config is None and not DEFAULT.is_file():
        return None
    return TomlFile.read(config or DEFAULT)


def tolerances(config: Path | None) -> Tolerances:
    """Return the tolerances that the configuration gives, else the defaults."""
    file = read(config)
    return Tolerances() if file is None else read_tolerances(file)
