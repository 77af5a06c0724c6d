"""``isorate codec-compare``."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def codec_compare(run: Path, /, *, out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None) -> None:
    """Write a run as batches that codec-compare reads, a JSON file for each codec.

    Examples
    --------
    ```
    isorate codec-compare runs/kodak
    isorate codec-compare runs/kodak -o batches
    ```

    Parameters
    ----------
    run
        The run folder.
    out
        Folder of the files; `RUN/codec-compare` by default. codec-compare is given its `batches.json`.
    """
    from isorate.reports.codec_compare import LIST, write
    from isorate.reports.results import Comparison
    from isorate.runs.folder import Run
    from isorate.runs.paths import inside

    comparison = Comparison(Run.open(run))
    folder = inside(comparison.run.path, "codec-compare") if out is None else out
    left_out = write(comparison, folder)
    print(folder / LIST)
    for codec, number in left_out.items():
        if number:
            print(f"{codec}: {number} rows left out, which failed or lack a finite value", file=sys.stderr)
    if comparison.unfinished:
        print(f"{run}: {comparison.unfinished}", file=sys.stderr)
