"""``isorate learned fuzz``."""

from pathlib import Path

from isorate.cli.numbers import Count, Whole
from isorate.cli.streams import stream_of
from isorate.cli.verdicts import damage_verdict


def fuzz(stream: Path, /, *, count: Count = 10_000, seed: Whole = 0, weights: str = "base", json: bool = False) -> int:
    """Decode damaged versions of a stream: the exit code is 1 when a wrong picture came out.

    Examples
    --------
    ```
    isorate learned fuzz photo.iso --count 1000
    ```

    Parameters
    ----------
    stream
        A file of the learned codec.
    count
        How many damaged versions.
    seed
        Of the damage.
    weights
        A model's name or a weights file.
    json
        Print JSON for scripts.
    """
    from isorate.codecs.learned import LearnedCodec
    from isorate.codecs.learned.tools.fuzz import fuzz as decode_damaged

    with stream_of(stream) as data:
        return damage_verdict(decode_damaged(LearnedCodec(weights, threads=1), data, count, seed), json)
