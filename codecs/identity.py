"""What makes a codec's bits and pixels: the digest of its adapter's code, its back end, options, programs and scripts.

Numbers of one identity may be taken from a cache, continued or compared as the same tool chain's; numbers of two never.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from isorate.codecs.base import Codec
from isorate.files.code import CODE, code_of, content_of, file_digest, modules_of, places_of, released

OURS = "isorate.codecs"
WITH_OURS = (OURS, "isorate.matching", "isorate.metrics", "isorate.pictures")
"""What our codecs are made of: their own code, the search for a size, metrics that choose, picture files' reading."""
LIBRARIES = ("av", "constriction", "glymur", "numpy", "pillow", "torch")
"""Packages that adapters of isorate compute with, whatever their back end says of itself."""


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

    That is every file of the packages that define them, and of the modules beside these that they import, or are
    installed with: one that only imports a changed helper changes, too. For the codecs of isorate it is the code of
    :data:`WITH_OURS`; bases from other installed packages, as PyTorch's, count by the versions of these. A file's name
    counts as well as its content, its folder does not. A class that no file holds (of a notebook) is another one in
    every process.
    """
    digest = hashlib.sha256()
    for root in _roots(adapter):
        if releases := _released(root, adapter):
            digest.update(f"{releases}\n".encode())
            continue
        digest.update(content_of(_code(root)))
    return digest.hexdigest()


def in_files(adapter: type[Codec]) -> bool:
    """Return whether files hold all the code of `adapter`, so that its identity is the same in another process."""
    return all(_released(root, adapter) or _code(root) for root in _roots(adapter))


def _released(root: str, adapter: type[Codec]) -> list[str]:
    return [] if root.partition(".")[0] == OURS.partition(".")[0] else released(root, _root(adapter.__module__))


def _roots(adapter: type[Codec]) -> list[str]:
    """Return the packages and modules that define `adapter` and its bases."""
    return sorted({_root(module) for module in modules_of(adapter)})


def _code(root: str) -> list[tuple[str, Path]]:
    return sorted(_ours()) if root == OURS else code_of(root)


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
        for folder in places_of(package):
            for path in folder.rglob("*"):
                if path.suffix in CODE and path.is_file():
                    yield f"{package}/{path.relative_to(folder).as_posix()}", path
