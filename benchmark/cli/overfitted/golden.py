"""``isorate overfitted golden``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.verdicts import golden_verdict


def golden(*, out: Annotated[Path, Parameter(name=["--out", "-o"])], check: bool = False, json: bool = False) -> int:
    """Make golden streams, to be renewed with the format, or compare: the exit code is 1 when one does not hold.

    Examples
    --------
    ```
    isorate overfitted golden --out tests/data/overfitted
    isorate overfitted golden --out tests/data/overfitted --check
    ```

    Parameters
    ----------
    out
        The folder of streams.
    check
        Compare instead of making.
    json
        Print JSON for scripts.
    """
    from isorate.codecs.overfitted.tools.golden import failures, make_golden

    if not check:
        make_golden(out)
    return golden_verdict(out, failures(out), json)
