"""``isorate baseline``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.numbers import Count

DEFAULT_FILE = Path("isorate-baseline.json")


def baseline(
    run: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = DEFAULT_FILE,
    probe: bool = True,
    workers: Count | None = None,
    config: Path | None = None,
    allow_programs: bool = False,
    json: bool = False,
) -> None:
    """Write a run's rows as a small file that later runs are held against.

    Examples
    --------
    ```
    isorate baseline runs/kodak -o baselines/kodak.json
    isorate baseline runs/kodak --no-probe
    ```

    Parameters
    ----------
    run
        A finished run without failed cells.
    out
        The file; rows that it holds already and that did not change keep their line.
    probe
        Measure each row's local slope by a second encode, where the run's operating points do not give it.
    workers
        Processes for those encodes; all usable cores by default.
    config
        The configuration with `[codec.…]` tables; `isorate.toml` of this folder by default, where there is one.
    allow_programs
        Run the programs that the run's manifest names for codecs that your configuration does not describe: only for a
        run whose origin you trust.
    json
        Print what was written as JSON for scripts.
    """
    import json as json_module

    from isorate.cli.config import use_codecs
    from isorate.files.standard_output import others_talk
    from isorate.gate.accept import write_baseline
    from isorate.runs.folder import Run

    use_codecs(config)
    with others_talk():
        written = write_baseline(Run.open(run), out, probe=probe, workers=workers, allow_programs=allow_programs)
    rows, codecs = len(written.rows), len(written.codecs)
    if json:
        print(json_module.dumps({"baseline": str(out), "rows": rows, "codecs": codecs}))
    else:
        print(f"{out}: {rows} rows, {codecs} codecs; next: isorate check RUN --baseline {out}")
