"""The files that hold code: of a module or package, with what it imports from beside itself, and their checksums.

What a number is made by is known by these: an adapter's or a metric's own code, and a script's.
"""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path
from uuid import uuid4

CODE = frozenset({".py", ".so", ".pyd", ".dylib"})
"""Endings of files that can change what is computed."""
INSTALLED = frozenset({"site-packages", "dist-packages"})


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read again when its size or a time of change is another."""
    about = path.stat()
    return _file_digest(path.absolute(), about.st_size, about.st_mtime_ns, about.st_ctime_ns)


@cache
def _file_digest(path: Path, _size: int, _changed: int, _about_changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_of(files: Sequence[tuple[str, Path]]) -> bytes:
    """Return what a digest takes of files, by their names; without files what no other process has.

    A class that no file holds, as of a notebook, is another one in every process.
    """
    return "".join(f"{name} {file_digest(path)}\n" for name, path in files).encode() or uuid4().bytes


def modules_of(kind: type) -> set[str]:
    """Return the names of the modules that define a class and its bases, the standard library's left out."""
    modules = {base.__module__ for base in kind.__mro__ if base is not object}
    return {name for name in modules if name == "__main__" or name.partition(".")[0] not in sys.stdlib_module_names}


def places_of(root: str) -> list[Path]:
    """Return the folders of a package, or the file of a module."""
    module = sys.modules.get(root)
    spec = getattr(module, "__spec__", None) if module is not None else importlib.util.find_spec(root)
    if spec is not None and spec.submodule_search_locations is not None:
        return [folder for folder in map(Path, spec.submodule_search_locations) if folder.is_dir()]
    file = getattr(module, "__file__", None) or (spec.origin if spec is not None else None)
    return [Path(file).absolute()] if file and Path(file).is_file() else []


def released(root: str, own: str) -> list[str]:
    """Return the names and versions of what a package or module was installed from; none where its code counts.

    A release stands for the code of others: to read all of PyTorch takes seconds in every process.

    Parameters
    ----------
    root
        Top name of what defines a base of a class.
    own
        Top name of what defines the class: of what these two come from together, the code counts, and so does all that
        lies in no folder of installed packages, as a package in development.
    """
    if root == own or not _are_installed(places_of(root)):
        return []
    theirs = _packages(root)
    return [] if theirs & _packages(own) else sorted(f"{name} {version(name)}" for name in theirs)


def code_of(root: str) -> list[tuple[str, Path]]:
    """Return the files of a package or module by their names, sorted, with what belongs to them beside it.

    That is what they import from there; of an installed one all code that it was installed with, since in such a folder
    others' modules lie beside it, too.
    """
    places = places_of(root)
    found = list(code_at(places))
    if _are_installed(places):
        names = {name for name, _ in found}
        found += [item for package in _packages(root) for item in _installed_with(package) if item[0] not in names]
    return sorted(found)


def _installed_with(package: str) -> Iterator[tuple[str, Path]]:
    """Give the code that an installed package lists, but for what lies elsewhere, as programs do."""
    for file in distribution(package).files or ():
        path = Path(file.locate())
        if file.suffix in CODE and ".." not in file.parts and path.is_file():
            yield file.as_posix(), path


def _are_installed(places: Sequence[Path]) -> bool:
    return any(INSTALLED & set(place.parent.parts) for place in places)


def _packages(root: str) -> frozenset[str]:
    """Return the names of the installed packages that bring a module or package."""
    return frozenset(_on_path(tuple(sys.path)).get(root, ()))


@cache
def _on_path(_path: tuple[str, ...]) -> Mapping[str, list[str]]:
    return packages_distributions()


def code_at(places: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Give the files of modules or packages, and of what they import from beside themselves, by their names.

    Parameters
    ----------
    places
        A module's file, or a package's folders.
    """
    waiting = list(places)
    seen = set(waiting)
    while waiting:
        place = waiting.pop()
        # any folder may be a namespace package: where an import led to one, its code alone
        namespace = place not in places and place.is_dir() and not (place / "__init__.py").is_file()
        imported: set[str] = set()
        for path in _files(place):
            if namespace and path.suffix not in CODE:
                continue
            yield path.relative_to(place.parent).as_posix(), path
            if _is_python(path) and not _are_installed([place]):
                imported |= _imported(path)
        if imported:
            found = _beside(place.resolve().parent, imported) - seen  # where Python looks, not beside a link
            waiting += found
            seen |= found


def _beside(folder: Path, names: set[str]) -> set[Path]:
    """Return what Python may find in `folder` for top names: modules, compiled or not, and packages."""
    return {
        path
        for path in folder.iterdir()
        if (path.name in names and path.is_dir())
        or (path.suffix in CODE and path.name.partition(".")[0] in names and path.is_file())
    }


def _files(place: Path) -> Iterator[Path]:
    """Give the files of a package's folder, hidden ones and compiled Python left out; or the one file that it is."""
    if place.is_file():
        yield place
        return
    for path in place.rglob("*"):
        inside = path.relative_to(place).parts
        if not any(part.startswith(".") or part == "__pycache__" for part in inside) and path.is_file():
            yield path


def _is_python(path: Path) -> bool:
    """Whether a file is Python by its ending, or by its first line where it has none."""
    if path.suffix:
        return path.suffix == ".py"
    with path.open("rb") as file:
        return b"python" in file.readline(200) if file.read(2) == b"#!" else False


def _imported(file: Path) -> frozenset[str]:
    """Return the top names that a module imports; none where it is no Python that this one reads."""
    about = file.stat()
    return _names_in(file.absolute(), about.st_size, about.st_mtime_ns, about.st_ctime_ns)


@cache
def _names_in(file: Path, _size: int, _changed: int, _about_changed: int) -> frozenset[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return frozenset(names)
