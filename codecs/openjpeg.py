"""Finding OpenJPEG for glymur, also on a machine where nobody installed it.

glymur reads one configuration file, once, while it is imported. In this order: the user's choice
(``ISORATE_OPENJPEG``, or a glymurrc of their own), the copy inside Pillow's wheel, the system's ``libopenjp2``.
"""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    if (home / "glymur" / "glymurrc").exists() or Path("glymurrc").exists():
        return None
    return _in_pillow()


@contextmanager
def _configuration(library: Path | None) -> Iterator[None]:
    if library is None:
        yield
        return
    before = os.environ.get("XDG_CONFIG_HOME")
    with tempfile.TemporaryDirectory(prefix="isorate-glymur-") as folder:
        rc = Path(folder) / "glymur" / "glymurrc"
        rc.parent.mkdir()
        rc.write_text(f"[library]\nopenjp2: {library}\n", encoding="utf-8")
        os.environ["XDG_CONFIG_HOME"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["XDG_CONFIG_HOME"]
            else:
                os.environ["XDG_CONFIG_HOME"] = before


@cache
def load_glymur() -> ModuleType:
    """Return glymur with a working OpenJPEG, one thread.

    Raises
    ------
    CodecUnavailableError
        When glymur or OpenJPEG is missing; glymur alone would say nothing before its first encode.
    """
    with _configuration(_library()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import glymur
        except ImportError as error:
            raise CodecUnavailableError(f"jpeg2000: glymur is missing ({error}); pip install glymur") from None
    if glymur.version.openjpeg_version_tuple < (2, 3, 0):
        found = glymur.version.openjpeg_version
        raise CodecUnavailableError(f"jpeg2000: glymur finds no usable OpenJPEG (version {found}); {REMEDIES}")
    return glymur  # type: ignore[no-any-return]
