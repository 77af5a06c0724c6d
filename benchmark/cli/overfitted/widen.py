"""``isorate overfitted widen``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Whole


def widen(
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    seed: Whole = 0,
) -> None:
    """Make the start of format version 3: start 2 with a synthesis of 48 channels in the place of 16.

    Examples
    --------
    ```
    isorate overfitted widen -o start.safetensors
    ```

    Parameters
    ----------
    out
        The weights file.
    seed
        Of the new channels.
    """
    import numpy as np
    from safetensors.numpy import save

    from isorate.codecs.overfitted.bitstream.starts import start
    from isorate.codecs.overfitted.tools.widen import widened
    from isorate.files.atomic import write_output

    nets = {name: value.astype(np.float32) for name, value in widened(start(2, 2), seed=seed).items()}
    write_output(out, save(nets))
