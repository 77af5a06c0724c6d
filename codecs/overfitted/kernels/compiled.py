"""How kernels are compiled, and what they have in common."""

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numba
import numpy as np
import platformdirs
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]
"""Flat."""
Offsets: TypeAlias = NDArray[np.int64]
Sums: TypeAlias = NDArray[np.float64]
config: Any = numba.config
F = TypeVar("F", bound=Callable[..., Any])

TILE = 128
"""Positions that a kernel works on at a time: everything about them stays in the nearest cache."""
LANES = 16
"""Partial sums of a gradient, so that a sum over positions needs none across a vector."""
FLOATS: dict[str, Any] = {
    "fastmath": {"contract", "reassoc", "nsz", "arcp"},
    "error_model": "numpy",  # a division that is checked for zero is not vectorized
}


def inlined(function: F) -> F:
    """Compile a function that kernels call."""
    found: F = numba.njit(**FLOATS)(function)
    return found


def compiled(function: F) -> F:
    """Compile a kernel at its first call; what is compiled stays on disk, where there is a folder to write to."""
    folder = _folder()
    if folder is None:
        found: F = numba.njit(nogil=True, **FLOATS)(function)
        return found
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        found = numba.njit(nogil=True, cache=True, **FLOATS)(function)
    finally:
        config.CACHE_DIR = before
    return found


def sources() -> list[Path]:
    """Return the files that decide what is compiled: the kernels', and the model's, whose numbers are constants there.

    Numba looks for changes in a kernel's own file alone.
    """
    here = Path(__file__).parent
    return [path for folder in (here, here.with_name("model")) for path in sorted(folder.glob("*.py"))]


@cache
def _folder() -> Path | None:
    """Return where compiled kernels are kept: beside them, or in the user's cache; None where neither can be written.

    The folder's name depends on all that decides them.
    """
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources())).hexdigest()[:16]
    for place in (Path(__file__).with_name("__pycache__"), _users()):
        if place is None:
            continue
        folder = place / f"kernels-{digest}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return None


def _users() -> Path | None:
    """Return the user's cache, None for a user without a home."""
    try:
        folder = Path(platformdirs.user_cache_dir("isorate", appauthor=False))
    except RuntimeError:  # no HOME, and no entry in the system's list
        return None
    return folder if folder.is_absolute() else None
