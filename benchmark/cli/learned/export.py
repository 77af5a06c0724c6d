"""``isorate learned export``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Count


def export(
    checkpoint: Path,
    /,
    *,
    validation: Path,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    photographs: Count = 16,
) -> None:
    """Turn a training checkpoint into a weights file.

    Examples
    --------
    ```
    isorate learned export .checkpoints/small-finish --validation .data/valid
    ```

    Parameters
    ----------
    checkpoint
        A run's folder (its newest checkpoint) or one checkpoint.
    validation
        Packed validation photographs, on which rates are measured.
    out
        The weights file; in the package's folder and named after the model by default.
    photographs
        How many of them.
    """
    from isorate.codecs.learned.tools.export import export_weights

    path, weights = export_weights(checkpoint, validation, out, photographs)
    print(f"{path}: {path.stat().st_size} bytes, SHA-256 of the content {weights.digest}")
