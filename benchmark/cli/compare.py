"""``isorate compare``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def compare(
    first: Path,
    second: Path,
    /,
    *,
    html: Path | None = None,
    json: bool = False,
    by_class: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Compare two runs over the same images: differences, win rate and BD-rate, codec by codec.

    Examples
    --------
    ```
    isorate compare runs/before runs/after
    isorate compare runs/before runs/after --html compared.html
    ```

    Parameters
    ----------
    first
        A run folder.
    second
        Another one; differences are second minus first.
    html
        Write a page with every cell to this file.
    json
        Print JSON for scripts.
    by_class
        Each class of images that the data set names alone, too.
    """
    from isorate.files.atomic import write_output
    from isorate.reports.compare_page import html as page
    from isorate.reports.compare_page import text, to_json
    from isorate.reports.compare_runs import compare_runs
    from isorate.runs.folder import Run

    compared = compare_runs(Run.open(first), Run.open(second), by_class=by_class)
    if html is not None:
        write_output(html, page(compared).encode())
    print(to_json(compared) if json else text(compared), end="")
