"""``isorate doctor``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isorate.cli.exit_codes import DONE, FAILED_CELLS


def doctor(
    *,
    config: Path | None = None,
    data: str | None = None,
    anchor: str | None = None,
    codec: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    json: bool = False,
) -> int:
    """Say which codecs, programs, libraries and images are here, and how to install what is missing.

    The exit code is 1 when something is missing that the given configuration needs, and 0 whatever else is missing.

    Examples
    --------
    ```
    isorate doctor
    isorate doctor --data samples --anchor bpg:backend=bpgenc --codec jpeg
    isorate doctor --config isorate.toml --json
    ```

    Parameters
    ----------
    config
        The configuration; `isorate.toml` of this folder by default, where there is one.
    data
        The data set of the run, as for `isorate run`.
    anchor
        Its anchor.
    codec
        A codec of it; repeat it for more.
    out
        Its run folder.
    json
        Print JSON for scripts.
    """
    import json as json_module
    from dataclasses import asdict

    from isorate.cli.config import settings
    from isorate.doctor import examine, stops
    from isorate.files.standard_output import others_talk

    chosen = settings(config, data=data, anchor=anchor, codecs=codec or None, out=out)
    with others_talk():
        found = list(examine(chosen.data, [chosen.anchor, *chosen.codecs], chosen.out or Path("runs")))
    lacking = stops(found)
    if json:
        items = [{**asdict(item), "stops": item.stops} for item in found]
        print(json_module.dumps({"ok": not lacking, "found": items}, indent=1, ensure_ascii=False))
        return FAILED_CELLS if lacking else DONE
    width = max(len(item.name) for item in found)
    group = ""
    for item in found:
        if item.group != group:
            print(item.group)
            group = item.group
        print(f"  {item.name:{width}}  {'NEEDED, ' if item.stops else ''}{item.state:8}{item.text}")
    print()
    if lacking:
        print(f"this configuration cannot run: {', '.join(item.name for item in lacking)} missing")
        return FAILED_CELLS
    print("this configuration can run")
    return DONE
