"""isorate: image codecs compared at the same file size.

>>> import isorate
>>> from isorate.codecs.jpeg2000 import Jpeg2000
>>> from skimage.data import astronaut
>>> data, found = isorate.match(Jpeg2000(), astronaut(), target_bpp=0.2)
>>> abs(found.residual_pct) < 0.5
True
>>> run = isorate.run("samples", "runs/samples", anchor="jpeg", codecs=["jpeg2000"], images=["coffee"])
>>> [row.status for row in run.rows()]
['ok', 'ok']
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isorate.api import match, open_run, run

    __version__: str

__all__ = ["__version__", "match", "open_run", "run"]


def __getattr__(name: str) -> Any:
    # Lazy: `isorate --help` and every worker would pay for NumPy and the codecs otherwise.
    if name in ("match", "open_run", "run"):
        from isorate import api

        return getattr(api, name)
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
