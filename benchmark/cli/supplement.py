"""``isorate supplement``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Resolution


def supplement(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    image: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    dpi: Resolution = 200,
) -> None:
    """Write a run as LaTeX like the supplementary's section: whole pictures with boxes, their crops, and the table.

    Examples
    --------
    ```
    isorate supplement runs/kodak
    isorate supplement runs/kodak -o paper/supplement --image kodim15
    ```

    Parameters
    ----------
    run
        The run folder.
    out
        Folder of `supplement.tex` and its figures; `RUN/supplement` by default.
    image
        Show this image only; repeat it for more. By default those with pinned boxes, or all where none has.
    dpi
        Resolution of the whole pictures.
    """
    from isorate.reports.supplement import write

    file = write(run, out, images=image or None, dpi=dpi)
    print(f"{file}: written; next: cd {file.parent} && pdflatex {file.name} && pdflatex {file.name}")
