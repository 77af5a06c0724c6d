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
    json: bool = False,
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
        The weights file, NAME.safetensors; in the package's folder and named after the model by default.
    photographs
        How many of them.
    json
        Print JSON for scripts.
    """
    import json as json_module

    from isorate.codecs.learned.tools.export import export_weights

    path, weights = export_weights(checkpoint, validation, out, photographs)
    num_bytes = path.stat().st_size
    if json:
        print(json_module.dumps({"weights": str(path), "bytes": num_bytes, "content_sha256": weights.digest}))
        return
    print(f"{path}: {num_bytes} bytes, SHA-256 of the content {weights.digest}")
