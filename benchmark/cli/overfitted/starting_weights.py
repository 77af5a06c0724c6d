"""``isorate overfitted starting-weights``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Count, Positive, Whole


def starting_weights(
    photographs: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    candidates: Count = 16,
    lmbda: Positive = 0.003,
    seed: Whole = 0,
) -> None:
    """Choose the nets that fits start from: each candidate is the nets of one crop, tried on other crops.

    Examples
    --------
    ```
    isorate overfitted starting-weights .data/train -o start.safetensors
    ```

    Parameters
    ----------
    photographs
        A pack, as `isorate learned pack` writes it.
    out
        The weights file.
    candidates
        How many crops are fitted alone.
    lmbda
        λ of the fits' D + λR: mean squared error of samples of 0 to 1, and bits per pixel.
    seed
        Of the crops and of the fits' noise.
    """
    from isorate.codecs.learned.training.data import Pack
    from isorate.codecs.overfitted.tools.starting_weights import choose, serialize
    from isorate.files.atomic import write_output

    write_output(out, serialize(choose(Pack(photographs), candidates, lmbda, seed)))
