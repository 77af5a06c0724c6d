"""Whether a folder can take what a long computation will write."""

import tempfile
from pathlib import Path

from isorate.errors import UsageError


def make_folder(path: Path) -> None:
    """Make the folder at `path` where it is missing, and see that a file can be written there.

    Raises
    ------
    UsageError
        When it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UsageError(
            f"{path}: no folder that can be written to ({error.strerror or error}); choose another one with -o"
        ) from None
