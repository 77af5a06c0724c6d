"""``isorate table``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def table(
    run: Path,
    /,
    *,
    format: Annotated[Literal["csv", "markdown", "latex", "json"], Parameter(name=["--format", "-f"])] = "markdown",
) -> None:
    """Print a run's rows.

    Examples
    --------
    ```
    isorate table runs/kodak --format csv > kodak.csv
    isorate table runs/kodak --format latex
    ```

    Parameters
    ----------
    run
        The run folder.
    format
        `csv` and `json`: every row with every column. `markdown` and `latex`: BPP, PSNR and MS-SSIM as in a paper.
    """
    from isorate.reports.tables import render
    from isorate.store import Run

    print(render(Run.open(run), format), end="")
