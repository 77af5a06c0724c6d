"""Training of the learned codec: ``run`` starts or continues the run that a TOML file describes."""

import math
from pathlib import Path
from typing import Any


def run(
    config_path: Path,
    out: Path,
    *,
    resume: Path | None = None,
    start_from: Path | None = None,
    seconds: float = math.inf,
    max_file_mb: int = 0,
    compact: bool = False,
    changes: dict[str, Any] | None = None,
) -> None:
    """Train.

    Parameters
    ----------
    config_path
        The TOML configuration.
    out
        Folder of checkpoints and curves; the newest checkpoint in it is continued.
    resume
        Another checkpoint (or folder of them) to continue from instead.
    start_from
        A checkpoint whose averaged weights are the start of a new run.
    seconds
        Stop after that long, with a checkpoint.
    max_file_mb
        The longest checkpoint file in MiB (0: no limit).
    compact
        Keep the averaged weights alone: small checkpoints; a resumed run continues from them and warms up anew.
    changes
        Replacements for keys of the configuration's [train] table.

    Raises
    ------
    UsageError
        When the configuration cannot be used.
    DatasetError
        When the photographs are not there.
    """
    from isorate.codecs.learned.training.loop import train
    from isorate.codecs.learned.training.settings import read_settings

    settings = read_settings(config_path, changes)
    limit = max_file_mb * 2**20
    train(settings, out, resume=resume, start_from=start_from, seconds=seconds, max_file_bytes=limit, compact=compact)
