"""``isorate reproduce``."""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.exit_codes import DONE, FAILED_CELLS
from isorate.cli.numbers import Count


def reproduce(
    run: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    workers: Count | None = None,
    config: Path | None = None,
    allow_programs: bool = False,
    json: bool = False,
    quiet: bool = False,
) -> int:
    """Run a run's manifest again, from its own copies of the images, and compare every row.

    A row is bit-equal (the files' checksums agree), equal in size and metrics, or different; then the output says which
    recorded version explains it. The exit code is 1 when a row is different. Images that the run itself could not read
    are left out, and named.

    Examples
    --------
    ```
    isorate reproduce runs/kodak
    isorate reproduce runs/kodak -o runs/kodak-again --json
    ```

    Parameters
    ----------
    run
        The run folder.
    out
        Keep the repetition in this folder, which must be new or empty.
    workers
        Processes; all usable cores by default.
    config
        The configuration with `[codec.…]` tables; `isorate.toml` of this folder by default, where there is one.
    allow_programs
        Run the programs that the run's manifest names for codecs that your configuration does not describe: only for a
        run whose origin you trust.
    json
        Print JSON for scripts.
    quiet
        Say nothing but which rows are not bit-equal; no bar.
    """
    import json as json_module

    from tqdm import tqdm

    from isorate.cli.config import use_codecs
    from isorate.engine.reproduce import Outcome
    from isorate.engine.reproduce import reproduce as repeat
    from isorate.files.standard_output import others_talk
    from isorate.pictures.names import printable
    from isorate.runs.folder import Run

    use_codecs(config)
    opened = Run.open(run)
    with (
        tempfile.TemporaryDirectory(prefix="isorate-reproduce-") as folder,
        tqdm(total=0, unit="cell", file=sys.stderr, disable=quiet or None) as bar,
        others_talk(),
    ):

        def show(_: Counter[str], done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        found = repeat(opened, out or Path(folder), workers=workers, allow_programs=allow_programs, progress=show)
    for image in opened.manifest.dataset.images:
        if image.error is not None:
            said = f"{image.name} is left out, the run could not read it: {image.error}"
            print(printable(said), file=sys.stderr)
    counts = Counter(item.outcome for item in found)
    if json:
        rows = [
            {
                "image": item.row.image, "point": item.row.point, "codec": item.row.codec, "outcome": item.outcome,
                "explained": item.explained,
            }
            for item in found
        ]  # fmt: skip
        print(json_module.dumps({"counts": counts, "rows": rows}, indent=1, ensure_ascii=False))
    else:
        for item in found:
            if item.outcome is not Outcome.SAME_FILE:
                why = f" ({item.explained})" if item.explained else " (no recorded version explains it)"
                print(printable(f"{item.row.image}, {item.row.codec}, {item.row.point}: {item.outcome}{why}"))
        if not quiet:
            print(", ".join(f"{counts[outcome]} rows {outcome}" for outcome in Outcome))
    return FAILED_CELLS if counts[Outcome.DIFFERENT] else DONE
