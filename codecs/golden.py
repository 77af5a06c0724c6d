"""A folder of golden streams: its index says which files in it are its own."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from isorate.errors import UsageError
from isorate.files.atomic import write_bytes, write_json
from isorate.files.plain import LARGEST_TEXT, read_plain
from isorate.files.typed_json import fit, parse

INDEX = "golden.json"
T = TypeVar("T")


def read_index(folder: Path, kind: type[T], names: Callable[[T], Iterable[str]]) -> T:
    """Return the index in `folder`.

    Parameters
    ----------
    folder
        Of the streams.
    kind
        What the codec's index is made of.
    names
        Gives the streams' names, without an ending.

    Raises
    ------
    UsageError
        When there is none, or another codec's or something else, or a name leads out of the folder.
    """
    path = folder / INDEX
    try:
        index = fit(parse(read_plain(path, LARGEST_TEXT)), kind)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a folder of golden streams") from None
    except ValueError as error:
        raise UsageError(f"{path} is no index of this codec's golden streams ({error}); name another folder") from None
    if strange := [name for name in names(index) if Path(name).name != name]:
        raise UsageError(f"{path} names a stream {strange[0]!r} outside its folder; name another folder")
    return index


def replace_files(folder: Path, earlier: Iterable[str], files: Mapping[str, bytes], index: Any) -> None:
    """Put `files`, by name, and their `index` in the place of the `earlier` files; what else is there stays."""
    for name in set(earlier) - files.keys():
        (folder / name).unlink(missing_ok=True)
    for name, data in files.items():
        write_bytes(folder / name, data)
    write_json(folder / INDEX, index)
