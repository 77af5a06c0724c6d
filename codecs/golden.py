"""The index of a folder of golden streams: what says which files in it are its own."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from isorate.errors import UsageError
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
