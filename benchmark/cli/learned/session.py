"""``isorate learned session``."""

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Positive, Whole
from isorate.errors import UsageError


def session(
    config: Path,
    finish: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    start_from: Path | None = None,
    seconds: Positive = 560,
    max_file_mb: Whole = 16,
    cpu: bool = False,
    eager: bool = False,
) -> None:
    """Train on a GPU that is there for minutes: training, finish and weights by one command, repeated.

    It checks the GPU, halves batches that the memory does not hold, begins anew without CUDA graphs where they fail,
    and writes small checkpoints; the same command goes on where the last one stopped.

    Examples
    --------
    ```
    isorate learned session codecs/learned/configs/base.toml codecs/learned/configs/base-finish.toml \
        -o .checkpoints/base --start-from codecs/learned/weights/base.safetensors
    ```

    Parameters
    ----------
    config, finish
        The TOML configurations of the training and of its last minutes.
    out
        Folder of both runs and of the weights.
    start_from
        A weights file or checkpoint that the training begins with.
    seconds
        How long this session may take.
    max_file_mb
        Cut checkpoints into files of that many MiB; 0 for no limit.
    cpu
        Go on without a GPU.
    eager
        Do without CUDA graphs.
    """
    import time

    import torch

    from isorate.codecs.learned.tools.session import Session, run_session
    from isorate.codecs.learned.training.graph import GraphError
    from isorate.codecs.learned.training.settings import read_settings

    end = time.monotonic() + seconds
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        print(f"{about.name}, {about.total_memory / 2**30:.0f} GiB, torch {torch.__version__}", flush=True)
    elif not cpu:
        raise UsageError(f"torch {torch.__version__} sees no GPU here; --cpu goes on without one")
    changes = {"graphs": False} if eager else {}
    train, last = (read_settings(path, changes) for path in (config, finish))
    plan = Session(train, last, start_from, out, seconds, max_file_mb * 2**20)
    try:
        run_session(plan, lambda text: print(text, flush=True))
    except GraphError as error:
        print(f"{error}; a new process goes on without", flush=True)
        left = max(1.0, end - time.monotonic())
        words = [
            str(config),
            str(finish),
            "-o",
            str(out),
            "--seconds",
            f"{left:.0f}",
            "--max-file-mb",
            str(max_file_mb),
        ]
        words += ["--start-from", str(start_from)] if start_from is not None else []
        _become("learned", "session", *words, "--eager")


def _become(*words: str) -> None:
    """Let `isorate` with `words` take this process's place, its memory and the GPU's with it."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", "isorate", *words])  # noqa: S606, no shell is wanted
