"""``isorate learned card``."""

import platform
from pathlib import Path

from isorate.errors import UsageError


def card(
    weights: Path,
    /,
    *runs: Path,
    data: str,
    hardware: str = f"{platform.processor() or platform.machine()}, {platform.system()}",
    commit: str | None = None,
    json: bool = False,
) -> None:
    """Print the model card of a weights file, as Markdown or JSON.

    Examples
    --------
    ```
    isorate learned card small.safetensors .checkpoints/small .checkpoints/small-finish --data "4000 photographs"
    ```

    Parameters
    ----------
    weights
        The weights file.
    runs
        Folders of the runs that made it, in order.
    data
        A sentence on the photographs.
    hardware
        What trained it; this machine by default.
    commit
        The commit whose program trained it; that of the working tree by default.
    json
        Print JSON for scripts.
    """
    import json as json_module
    from dataclasses import asdict

    from isorate.codecs.learned.tools.card import facts, markdown
    from isorate.runs.provenance import git_commit

    if commit is None:
        here = git_commit()
        if here is None:
            raise UsageError("this is no working tree of git, which would name the commit; give it with --commit")
        commit = "+".join((here[:12], *here.split("+")[1:]))
    known = facts(weights, runs, data, hardware, commit)
    print(json_module.dumps(asdict(known)) + "\n" if json else markdown(known), end="")
