"""``isorate codecs``."""

import json as json_module
from pathlib import Path

from isorate.cli.config import use_codecs
from isorate.codecs.registry import list_codecs


def codecs(*, config: Path | None = None, json: bool = False) -> None:
    """List the codecs, their rate knobs and options, and what is missing for those that cannot run here.

    Examples
    --------
    ```
    isorate codecs
    isorate codecs --json
    ```

    Parameters
    ----------
    config
        The configuration with `[codec.…]` tables; `isorate.toml` of this folder by default, where there is one.
    json
        Print JSON for scripts.
    """
    use_codecs(config)
    listed = list_codecs()
    if json:
        print(json_module.dumps([entry.to_json() for entry in listed], indent=1))
        return
    for entry in listed:
        print(
            f"{entry.name}  {entry.label}  [{entry.backend}]"
            if entry.available
            else f"{entry.name}  UNAVAILABLE: {entry.hint}"
        )
        if entry.knob is not None:
            kind = "whole numbers" if entry.knob.integer else "real numbers"
            way = "larger file" if entry.knob.rising else "smaller file"
            print(
                f"    knob     {entry.knob.name} {entry.knob.low:g}..{entry.knob.high:g}, {kind}; larger value, {way}"
            )
            print(f"    options  {', '.join(f'{key}={value}' for key, value in entry.options.items()) or 'none'}")
