"""``isorate learned fuzz``."""

from pathlib import Path

from isorate.cli.exit_codes import DONE, FAILED_CELLS
from isorate.errors import ImageError


def fuzz(stream: Path, /, *, count: int = 10_000, seed: int = 0, weights: str = "small") -> int:
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
    """
    from isorate.codecs.learned import LearnedCodec
    from isorate.codecs.learned.tools.fuzz import fuzz as decode_damaged

    try:
        data = stream.read_bytes()
    except OSError as error:
        raise ImageError(f"{stream}: cannot be read: {error.strerror or error}") from None
    report = decode_damaged(LearnedCodec(weights, threads=1), data, count, seed)
    print(dict(report.outcomes), f"normal decode {report.normal:.4f} s, slowest {report.slowest:.4f} s")
    return FAILED_CELLS if report.outcomes["wrong picture"] else DONE
