"""``isorate check``."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.exit_codes import CHECK_PASS, CHECK_REGRESSION, CHECK_TOOL_CHAIN
from isorate.gate.formats import BY_SUFFIX, Format


def check(
    run: Path,
    /,
    *,
    baseline: Annotated[Path, Parameter(name=["--baseline", "-b"])],
    config: Path | None = None,
    format: Annotated[Format, Parameter(name=["--format", "-f"])] = "table",
    save: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    accept: bool = False,
    allow_programs: bool = False,
    json: bool = False,
) -> int:
    """Hold a run against a baseline: metrics at equal rate may not get worse, the rate may not rise.

    Exit codes: 0 pass, 1 regression (or rows that cannot be compared), 2 a changed tool chain (codec or library
    version), 3 unusable input.

    Examples
    --------
    ```
    isorate check runs/kodak --baseline baselines/kodak.json
    isorate check runs/kodak --baseline baselines/kodak.json --format github --save check.md --save check.xml
    isorate check runs/kodak --baseline baselines/kodak.json --accept
    ```

    Parameters
    ----------
    run
        The run folder.
    baseline
        The file that `isorate baseline` wrote.
    config
        TOML with `[tolerances]` and `[codec.…]`; `isorate.toml` of this folder by default, where there is one.
    format
        What is printed: a table, Markdown for a pull request, JUnit XML, GitHub's annotations, or JSON.
    save
        Write the outcome to a file as well; its ending chooses the format: .txt, .md, .xml, .json. Repeat it for more.
    accept
        Write the run over the baseline.
    allow_programs
        With `--accept`: run the programs that the run's manifest names for codecs that your configuration does
        not describe; only for a run whose origin you trust.
    json
        The same as `--format json`.
    """
    from isorate.cli.config import settings
    from isorate.errors import UsageError
    from isorate.files.atomic import write_output
    from isorate.gate.accept import write_baseline
    from isorate.gate.baseline import Baseline, lines_of_rows
    from isorate.gate.check import check as hold
    from isorate.gate.findings import Verdict
    from isorate.gate.formats import form_of, render
    from isorate.runs.folder import Run

    for path in save:
        if form_of(path) is None:
            raise UsageError(f"{path}: the ending chooses the format; use one of {', '.join(BY_SUFFIX)}")
        if path.exists() and baseline.exists() and path.samefile(baseline):
            raise UsageError(f"{path}: is the baseline itself; name another file to save to")
    opened = Run.open(run)
    before = Baseline.read(baseline)
    checked = hold(
        opened, before, settings(config).tolerances, baseline_file=str(baseline), lines=lines_of_rows(baseline)
    )
    print(render(checked, "json" if json else format), end="")
    for path in save:
        write_output(path, render(checked, form_of(path) or "table").encode())
    if accept:
        write_baseline(opened, baseline, allow_programs=allow_programs)
        print(f"{baseline}: written anew from {run}", file=sys.stderr)
        return CHECK_PASS
    codes = {
        Verdict.PASS: CHECK_PASS, Verdict.REGRESSION: CHECK_REGRESSION, Verdict.TOOL_CHAIN: CHECK_TOOL_CHAIN,
    }  # fmt: skip
    return codes[checked.verdict]
