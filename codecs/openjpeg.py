"""Finding OpenJPEG for glymur, also on a machine where nobody installed it.

glymur reads one configuration file, once, while it is imported, and would take one from the current folder first. Here,
in this order: the user's choice (``ISORATE_OPENJPEG``, or a glymurrc of their own), the copy inside Pillow's wheel, the
system's ``libopenjp2``.
"""

import importlib.util
import os
import sys
import warnings
from functools import cache
from pathlib import Path
from types import ModuleType

import PIL

from isorate.errors import CodecUnavailableError

REMEDIES = (
    "install Pillow from a wheel (pip install --force-reinstall pillow), or the system's library "
    "(apt-get install libopenjp2-7, brew install openjpeg), or name the library in ISORATE_OPENJPEG"
)


def _in_pillow() -> Path | None:
    package = Path(PIL.__file__).parent
    for folder in (package.parent / "pillow.libs", package / ".dylibs"):
        if found := sorted(folder.glob("libopenjp2*")):
            return found[0]
    return None


def _library() -> Path | None:
    if chosen := os.environ.get("ISORATE_OPENJPEG"):
        path = Path(chosen)
        if not path.is_file():
            raise CodecUnavailableError(f"ISORATE_OPENJPEG names {path}, which is no file; {REMEDIES}")
        return path.resolve()
    return None if _users_configuration() else _in_pillow()


def _users_configuration() -> Path | None:
    """Return the user's own glymurrc; never one in the current folder, which would choose what code is loaded."""
    try:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    except RuntimeError:  # no HOME, and a user without an entry in the system's list
        return None
    path = home / "glymur" / "glymurrc"
    return path if path.is_file() else None


def _configure(library: Path | None) -> None:
    """Put glymur's ``config`` module in place, set to `library` or the user's glymurrc, before glymur itself."""
    package = importlib.util.find_spec("glymur")
    if package is None or package.submodule_search_locations is None:
        raise ModuleNotFoundError("No module named 'glymur'")
    file = Path(package.submodule_search_locations[0]) / "config.py"
    spec = importlib.util.spec_from_file_location("glymur.config", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if library is None:
        module.glymurrc_fname = _users_configuration  # type: ignore[attr-defined]
    else:
        module.read_config_file = {"openjp2": library}.get  # type: ignore[attr-defined]
    sys.modules["glymur.config"] = module


@cache
def load_glymur() -> ModuleType:
    """Return glymur with a working OpenJPEG, one thread.

    Raises
    ------
    CodecUnavailableError
        When glymur or OpenJPEG is missing; glymur alone would say nothing before its first encode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _configure(_library())
            import glymur
        except ImportError as error:
            raise CodecUnavailableError(f"jpeg2000: glymur is missing ({error}); pip install glymur") from None
    if glymur.version.openjpeg_version_tuple < (2, 3, 0):
        found = glymur.version.openjpeg_version
        raise CodecUnavailableError(f"jpeg2000: glymur finds no usable OpenJPEG (version {found}); {REMEDIES}")
    return glymur  # type: ignore[no-any-return]
