"""Paths inside a run folder: whatever a stranger's row or link says, nothing leads out of it."""

import hashlib
import re
from pathlib import Path, PurePosixPath

from isorate.errors import RunError
from isorate.files.plain import not_plain
from isorate.runs.lossless import SUFFIXES
from isorate.runs.row import REMEDY, Row

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~-]*")
"""What :func:`safe_name` gives: most names are seen to lead nowhere without taking a path to pieces."""
_OWN_FILES = re.compile(
    rf"(?:streams/{_PLAIN_NAME.pattern})?\n(?:decoded/{_PLAIN_NAME.pattern}(?:{'|'.join(map(re.escape, SUFFIXES))}))?"
)


def inside(root: Path, relative: str) -> Path:
    """Return the path of something in the run folder `root`, which need not be there.

    Raises
    ------
    RunError
        When `relative` is absolute or has a ``..``, or a link on the way leads out of the folder.
    """
    _check_form(relative, str(root))
    path = root / relative
    try:
        there = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a link to itself
        there = False
    if not there:
        raise RunError(
            f"{path}: is a link that leads out of the run; remove it, or put what it stands for in its place"
        )
    return path


def check_plain(path: Path, most: int) -> None:
    """Raise unless `path` is a file that can be read to its end: reading a pipe waits, and what is huge fills memory.

    Raises
    ------
    RunError
        When it is something else, or has more than `most` bytes.
    """
    if why := not_plain(path, most):
        raise RunError(f"{path}: {why}; remove it")


def _check_form(relative: str, where: str) -> None:
    path = PurePosixPath(relative)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in relative:
        raise RunError(f"{where}: {relative!r} is no path inside a run; {REMEDY}")


def check_files(row: Row, where: str) -> None:
    """Raise unless the paths of a row, and of its neighbour, are of files right in their folders.

    Raises
    ------
    RunError
        When one is not; `where` names the file, or the line, that the row stands in.
    """
    for item in (row, row.neighbour):
        for folder, path in (("streams", item.stream), ("decoded", item.decoded)) if item else ():
            if path:
                _check_file(path, folder, where)


def names_plain_files(row: Row) -> bool:
    """Whether the paths of a row are of the form that a run gives them; :func:`check_files` knows what else is good."""
    beside = row.neighbour
    return bool(_OWN_FILES.fullmatch(f"{row.stream}\n{row.decoded}")) and (
        beside is None or bool(_OWN_FILES.fullmatch(f"{beside.stream}\n{beside.decoded}"))
    )


def _check_file(relative: str, folder: str, where: str) -> None:
    """Raise unless a row's path is of a file right in its folder, a picture with a picture's ending.

    Pages copy files by their names, so a name that stands for two files would show the wrong picture.
    """
    start, _, name = relative.partition("/")
    if start == folder and _PLAIN_NAME.fullmatch(name) and (folder != "decoded" or name.endswith(SUFFIXES)):
        return
    path = PurePosixPath(relative)
    here = len(path.parts) == 2 and path.parts[0] == folder and ".." not in path.parts and "\0" not in relative
    if not here or (folder == "decoded" and path.suffix not in SUFFIXES):
        raise RunError(f"{where}: {relative!r} is no path inside a run's {folder}; {REMEDY}")


def safe_name(name: str) -> str:
    """Return `name` as a file name: letters, digits, ``._+-``; a changed or long name ends in a digest of it."""
    kept = re.sub(r"[^A-Za-z0-9._+-]", "_", name)
    if kept == name and len(name) <= 80 and not name.startswith("."):
        return name
    return f"{kept.lstrip('.')[:60]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
