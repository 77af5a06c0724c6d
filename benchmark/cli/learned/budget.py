"""``isorate learned budget``."""

from pathlib import Path

from isorate.cli.numbers import Count


def budget(config: Path, /, *, steps: Count = 20, json: bool = False) -> None:
    """Measure what a training step costs, and where its time goes.

    Examples
    --------
    ```
    isorate learned budget codecs/learned/configs/small.toml
    ```

    Parameters
    ----------
    config
        The TOML configuration, as for `isorate learned train`.
    steps
        Over how many steps; as many more are profiled.
    json
        Print JSON for scripts.
    """
    import json as json_module
    from dataclasses import asdict

    from isorate.codecs.learned.tools.budget import measure
    from isorate.codecs.learned.training.settings import read_settings

    found = measure(read_settings(config), steps)
    if json:
        print(json_module.dumps(asdict(found)))
        return
    print(found.operators)
    print(f"{1e3 * found.seconds:.0f} ms a step, {found.crops:.1f} crops/s, {found.megapixels:.2f} Mpx/s")
