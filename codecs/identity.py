"""What makes a codec's bits and pixels: the digest of its adapter's code, its back end, options, programs and scripts.

Numbers of one identity may be taken from a cache, continued or compared as the same tool chain's; numbers of two never.
"""

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from uuid import uuid4

from isorate.codecs.base import Codec

OURS = "isorate.codecs"
WITH_OURS = (OURS, "isorate.matching", "isorate.metrics", "isorate.pictures")
"""What our codecs are made of: their own code, the search for a size, metrics that choose, picture files' reading."""
CODE = frozenset({".py", ".so", ".pyd", ".dylib"})
"""Endings of our files that can change what is computed; weights stand in the learned codec's back end."""
LIBRARIES = ("av", "constriction", "glymur", "numpy", "pillow", "torch")
"""Packages that adapters of isorate compute with, whatever their back end says of itself."""
INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Identity:
    """SHA-256 of what makes a codec's files, and of what makes pixels of them, in hexadecimal; empty where unknown.

    Attributes
    ----------
    encode, decode
        Everything: code, back end, options, libraries, and the programs and scripts of that direction.
    programs
        The programs and scripts of both directions alone; empty for a codec that has none.
    """

    encode: str = ""
    decode: str = ""
    programs: str = ""


def identity(codec: Codec) -> Identity:
    """Return the identity of `codec` as it is installed now.

    Raises
    ------
    CodecUnavailableError
        When its back end is missing.
    """
    options = sorted(codec.options.items())
    common = [codec.name, codec.suffix, adapter_digest(type(codec)), codec.backend, options, _libraries()]
    encoder, decoder = _digests(codec.encoder_files), _digests(codec.decoder_files)
    return Identity(
        encode=_digest([*common, encoder]),
        decode=_digest([*common, decoder]),
        programs=_digest([encoder, decoder]) if encoder or decoder else "",
    )


@cache
def adapter_digest(adapter: type[Codec]) -> str:
    """Return the digest of the code that `adapter` and its bases come from.

    That is every file of the packages that define them, and of the modules beside these that they import: one that only
    imports a changed helper changes, too. For the codecs of isorate it is the code of :data:`WITH_OURS`. A file's name
    counts as well as its content, its folder does not. A class that no file holds (of a notebook) is another one in
    every process.
    """
    digest = hashlib.sha256()
    for root in _roots(adapter):
        files = _code(root)
        for name, path in files:
            digest.update(f"{name} {file_digest(path)}\n".encode())
        if not files:
            digest.update(uuid4().bytes)
    return digest.hexdigest()


def in_files(adapter: type[Codec]) -> bool:
    """Return whether files hold all the code of `adapter`, so that its identity is the same in another process."""
    return all(_code(root) for root in _roots(adapter))


def _roots(adapter: type[Codec]) -> list[str]:
    """Return the packages and modules that define `adapter` and its bases."""
    modules = {base.__module__ for base in adapter.__mro__ if base is not object}
    return sorted({_root(module) for module in modules} - sys.stdlib_module_names | (modules & {"__main__"}))


def _code(root: str) -> list[tuple[str, Path]]:
    return sorted(_ours() if root == OURS else code_at(_places(root)))


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, read again when its size or a time of change is another."""
    about = path.stat()
    return _file_digest(path.absolute(), about.st_size, about.st_mtime_ns, about.st_ctime_ns)


@cache
def _file_digest(path: Path, _size: int, _changed: int, _about_changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _digests(files: Iterable[Path]) -> list[str]:
    return [file_digest(path) for path in files]


@cache
def _libraries() -> list[str]:
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _root(module: str) -> str:
    """Return the package whose code stands for a module's: the whole of a plug-in's, and of ours the codecs."""
    return OURS if module == OURS or module.startswith(f"{OURS}.") else module.partition(".")[0]


def _ours() -> Iterator[tuple[str, Path]]:
    for package in WITH_OURS:
        for folder in _places(package):
            for path in folder.rglob("*"):
                if path.suffix in CODE and path.is_file():
                    yield f"{package}/{path.relative_to(folder).as_posix()}", path


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
            if _is_python(path) and not INSTALLED & set(place.parent.parts):
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


def _places(root: str) -> list[Path]:
    """Return the folders of a package, or the file of a module."""
    module = sys.modules.get(root)
    spec = getattr(module, "__spec__", None) if module is not None else importlib.util.find_spec(root)
    if spec is not None and spec.submodule_search_locations is not None:
        return [folder for folder in map(Path, spec.submodule_search_locations) if folder.is_dir()]
    file = getattr(module, "__file__", None) or (spec.origin if spec is not None else None)
    return [Path(file).absolute()] if file and Path(file).is_file() else []


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


def _imported(file: Path) -> set[str]:
    """Return the top names that a module imports; none where it is no Python that this one reads."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
