"""TOML files of the user's, with errors that name the line and the nearest valid key."""

import difflib
import io
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from isorate.errors import UsageError
from isorate.files.plain import LARGEST_SETTINGS, read_plain

_PART = re.compile(r"[A-Za-z0-9_-]++|\"[^\"]*+\"|'[^']*+'")
_TABLE = re.compile(r"\s*+\[(\[)?([^\]]++)\]")
_KEY = re.compile(rf"\s*+((?:{_PART.pattern})(?:\s*+\.\s*+(?:{_PART.pattern}))*+)\s*+=")
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

Place = tuple[str | int, ...]
"""Where a value stands: keys, and the index of a table in an array of tables."""


class TomlFile:
    """A parsed TOML file.

    Parameters
    ----------
    text
        The file's content.
    where
        Its name, for messages.

    Raises
    ------
    UsageError
        When it is no TOML.
    """

    def __init__(self, text: str, where: str) -> None:
        self.where, self.text = where, text
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # also a whole number of more digits than Python reads
            at = re.search(r"line (\d+)", str(error))
            raise UsageError(f"{where}{f':{at[1]}' if at else ''}: no valid TOML: {error}") from None
        self._lines = dict(_places(text))

    @classmethod
    def read(cls, path: Path) -> "TomlFile":
        """Return the file at `path`.

        Raises
        ------
        UsageError
            When it cannot be read or is no TOML.
        """
        try:
            data = read_plain(path, LARGEST_SETTINGS)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
        try:
            # Some editors begin a UTF-8 file with a byte order mark.
            text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig").read()
        except UnicodeDecodeError:
            utf16 = data[:2] in UTF16_MARKS
            raise UsageError(f"{path}: is {'UTF-16' if utf16 else 'not UTF-8'}; save it as UTF-8 text") from None
        return cls(text, str(path))

    def error(self, place: Place, said: str) -> UsageError:
        """Return the error that says `said` of the value at `place`, with its line."""
        line = next((self._lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in self._lines), None)
        return UsageError(f"{self.where}{f':{line}' if line else ''}: {said}")

    def check_keys(self, table: Mapping[str, Any], known: Iterable[str], place: Place = ()) -> None:
        """Raise when `table`, which stands at `place`, has a key that is not among `known`."""
        names = list(known)
        for key in table:
            if key not in names:
                near = difflib.get_close_matches(key, names, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
                inside = f" in [{'.'.join(str(part) for part in place)}]" if place else ""
                raise self.error((*place, key), f"no key {key!r}{inside}; {hint}")

    def table(self, table: Mapping[str, Any], key: str, place: Place = ()) -> dict[str, Any]:
        """Return the table at `key`, empty when it is not there."""
        value = table.get(key, {})
        if not isinstance(value, dict):
            raise self.error((*place, key), f"{key} is {value!r}; a table is needed: [{key}]")
        return value


def _places(text: str) -> Iterable[tuple[Place, int]]:
    """Yield the place of every table header and key with its line; the first line of a place counts."""
    table: Place = ()
    counts: dict[Place, int] = {}
    seen: set[Place] = set()
    inside_text = None  # a key-like line inside a multi-line string is no key
    for number, line in enumerate(text.splitlines(), 1):
        if inside_text:
            inside_text = None if inside_text in line else inside_text
            continue
        if header := _TABLE.match(line):
            table = _parts(header[2])
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found = table
        elif key := _KEY.match(line):
            found = (*table, *_parts(key[1]))
            for quotes in ('"""', "'''"):
                if line.count(quotes) % 2:
                    inside_text = quotes
        else:
            continue
        if found not in seen:
            seen.add(found)
            yield found, number


def _parts(text: str) -> Place:
    return tuple(part.strip("\"'") for part in _PART.findall(text))
