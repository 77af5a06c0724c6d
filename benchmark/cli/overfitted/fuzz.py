"""``isorate overfitted fuzz``."""

from pathlib import Path

from isorate.cli.numbers import Count, Whole
from isorate.cli.streams import stream_of
from isorate.cli.verdicts import damage_verdict


def fuzz(stream: Path, /, *, count: Count = 1000, seed: Whole = 0, json: bool = False) -> int:
    """Decode damaged versions of a stream: the exit code is 1 when a wrong picture came out.

    Examples
    --------
    ```
    isorate overfitted fuzz photo.ofi --count 100
    ```

    Parameters
    ----------
    stream
        A file of the overfitted codec.
    count
        How many damaged versions.
    seed
        Of the damage.
    json
        Print JSON for scripts.
    """
    from isorate.codecs.overfitted import OverfittedCodec
    from isorate.codecs.overfitted.tools.fuzz import fuzz as decode_damaged

    with stream_of(stream) as data:
        return damage_verdict(decode_damaged(OverfittedCodec(threads=1), data, count, seed), json)
