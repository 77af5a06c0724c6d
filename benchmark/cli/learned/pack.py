"""``isorate learned pack``."""

from pathlib import Path

from isorate.cli.numbers import Count


def pack(out: Path, /, *sources: Path, workers: Count = 2, json: bool = False) -> None:
    """Decode photographs once: folders and tars of images to the raw memory map that training reads.

    Writes `OUT.bin` and `OUT.json`.

    Examples
    --------
    ```
    isorate learned pack .data/train photographs/first.tar photographs/second.tar
    ```

    Parameters
    ----------
    out
        Path of the pack, without a suffix.
    sources
        Folders and tars of images.
    workers
        Processes that decode.
    json
        Print JSON for scripts.
    """
    import json as json_module

    from isorate.codecs.learned.training.pack import pack as write
    from isorate.errors import UsageError

    if not sources:
        raise UsageError(f"{out}: nothing to pack; name folders or tars of images after it")
    count = write(out, sources, workers)
    print(json_module.dumps({"pack": str(out), "photographs": count}) if json else f"{out}: {count} photographs")
