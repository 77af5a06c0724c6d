"""``isorate train``."""

import math
import tomllib
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Positive, Whole
from isorate.errors import UsageError


def train(
    config: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    resume: Path | None = None,
    start_from: Path | None = None,
    seconds: Positive = math.inf,
    max_file_mb: Whole = 0,
    compact: bool = False,
    change: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
) -> None:
    """Train the learned codec, or continue: the same command after a kill gives the uninterrupted run's weights.

    Several GPUs: `torchrun --nproc-per-node 8 -m isorate train …`.

    Examples
    --------
    ```
    isorate train codecs/learned/configs/small.toml -o .checkpoints/small
    isorate train codecs/learned/configs/base.toml -o .checkpoints/base --seconds 560 --max-file-mb 16
    ```

    Parameters
    ----------
    config
        The TOML configuration: model, schedule, data.
    out
        Folder of checkpoints and curves; the newest checkpoint in it is continued.
    resume
        Continue from this checkpoint instead.
    start_from
        Start a new run from this checkpoint's averaged weights.
    seconds
        Stop after that long, with a checkpoint.
    max_file_mb
        Cut checkpoints into files of that many MiB; 0 for no limit.
    compact
        Leave the optimizer's state out of the checkpoints.
    change
        Replace a key of the configuration's `[train]` table: `--set batch_size=16`; repeat it for more.
    """
    from isorate.codecs.learned.training import run

    try:
        changes = tomllib.loads("\n".join(change))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--set {' '.join(change)}: {error}; give KEY=VALUE as TOML") from None
    run(
        config,
        out,
        resume=resume,
        start_from=start_from,
        seconds=seconds,
        max_file_mb=max_file_mb,
        compact=compact,
        changes=changes,
    )
