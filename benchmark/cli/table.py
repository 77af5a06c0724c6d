"""``isorate table``."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def table(
    run: Path,
    /,
    *,
    format: Annotated[
        Literal["csv", "markdown", "latex", "json", "compressai"], Parameter(name=["--format", "-f"])
    ] = "markdown",
    residual: bool = False,
    fragment: bool = False,
    columns: Literal[1, 2] = 2,
    by_class: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Print a run's rows, or its results by class of image.

    Examples
    --------
    ```
    isorate table runs/kodak --format csv > kodak.csv
    isorate table runs/kodak --format latex --fragment > rows.tex
    isorate table runs/classes --by-class --format csv > classes.csv
    ```

    Parameters
    ----------
    run
        The run folder.
    format
        `csv` and `json`: every row with every column. `markdown` and `latex`: BPP, PSNR and MS-SSIM as in a paper;
        `latex` is one table of images by codecs for each operating point with pictures.
        `compressai`: the curves in the layout of CompressAI's result files.
    residual
        With `latex`: the rate residual, too.
    fragment
        With `latex`: tables to input, in place of a document that compiles as it is; they need booktabs, graphicx and
        siunitx.
    columns
        With `latex`: how many columns of a page a table may take.
    by_class
        In place of rows, means, differences against the anchor and BD-rates of each class that the data set names; as
        `markdown`, `csv` or `json`.
    """
    from isorate.reports import class_tables, tables
    from isorate.reports.results import Comparison

    comparison = Comparison(run)
    if by_class:
        print(class_tables.render(comparison, format), end="")
    else:
        for part in tables.parts(comparison, format, residual=residual, document=not fragment, columns=columns):
            print(part, end="")
    if comparison.unfinished and format != "markdown":  # which says so itself
        print(f"{run}: {comparison.unfinished}", file=sys.stderr)
