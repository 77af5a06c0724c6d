"""``isorate table``."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def table(
    run: Path,
    /,
    *,
    format: Annotated[Literal["csv", "markdown", "latex", "json"], Parameter(name=["--format", "-f"])] = "markdown",  # noqa: A002
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
    from isorate.reports.tables import render  # noqa: PLC0415  (keeps --help fast)
    from isorate.store import Run  # noqa: PLC0415

    print(render(Run.open(run), format), end="")
