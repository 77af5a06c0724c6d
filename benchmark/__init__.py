"""isorate: image codecs compared at the same file size.

>>> import isorate
>>> run = isorate.run("samples", "runs/samples", anchor="jpeg")  # doctest: +SKIP
>>> data, found = isorate.match(codec, image, target_bpp=0.2)  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isorate.api import run
    from isorate.matching.codec import match

__all__ = ["match", "run"]


def __getattr__(name: str) -> Any:
    # Lazy: `isorate --help` and every worker would pay for NumPy and the codecs otherwise.
    if name == "run":
        from isorate.api import run

        return run
    if name == "match":
        from isorate.matching.codec import match

        return match
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
