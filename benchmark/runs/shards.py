"""A run's rows in shards: files that are only appended to, one writer each, merged by key when they are read.

::

    rows/GENERATION-HOST-PID-RANDOM.jsonl   a line of JSON for each thing that one process had to say, in order
    rows/CELL--CODEC.json                   one row: what older versions wrote, generation 0; read, never written

A line is one of::

    {"written": NS, "row": {…}}             a row, and when it was written
    {"removed": [IMAGE, POINT, CODEC]}      the row of this key is to be made anew
    {"seen": [IMAGE, POINT, CODEC], "written": NS}   its files were whole at this time
    {"synced": true}                        the files of this shard's rows until here are on the disk

Times are nanoseconds since 1970 by the clock of the file system that the rows lie on, which gives the row's files their
times as well. A generation begins whenever a run is opened for writing. Of the lines of one key the highest generation
counts; within one, what each shard says last, of that a row that is good before a failed one before a removal, then the
later one, then that of the shard whose name comes last.

A line goes to the system in one write. A process that is killed at any moment loses at most the row that it was
writing: a shard's last line without its end is no line. The disk has the rows, and the files that they name, a second
later, see :class:`Shard`. Of rows that no ``synced`` follows it is not known when their files were whole: they are read
again where that matters, against the row's checksums.
"""

import errno
import gc
import json
import mmap
import os
import re
import secrets
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from isorate.errors import RunError
from isorate.files import typed_json
from isorate.files.plain import LARGEST_TEXT
from isorate.runs.contradictions import contradiction
from isorate.runs.paths import check_files, check_plain, inside, names_plain_files, safe_name
from isorate.runs.row import REMEDY, Key, Row

LARGEST_SHARD = LARGEST_TEXT // 2
"""Bytes after which a writer begins another shard."""
SYNC_S = 1.0
SYNC_LINES = 1000
_NAME = re.compile(r"(\d+)-.+\.jsonl")
_Time = Annotated[int, Meta(ge=0, le=2**62)]


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of the folder.

    Attributes
    ----------
    row
        The row.
    written
        When it was written, or its files were last seen whole: nanoseconds since 1970 by the file system's clock; 0
        where that is not known.
    """

    row: Row
    written: int


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    written: _Time = 0
    row: Any = None
    removed: Key | None = None
    seen: Key | None = None
    synced: bool = False


_SYNCED = json.dumps({"synced": True}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Said:
    """What a shard says last of a key: its row, or None where that is to be made anew; and when it was written.

    `synced` says whether the row's files are known to have reached the disk.
    """

    row: Row | None
    written: int
    synced: bool = True

    def counts_before(self, other: "Said") -> bool:
        """Whether this is what counts of two shards of one generation, of which `other` has the earlier name."""
        return self._rank >= other._rank

    @property
    def _rank(self) -> tuple[bool, bool, int]:
        return self.row is not None, self.row is not None and self.row.ok, self.written


def read_rows(folder: Path, first: int = 0) -> dict[Key, Stored]:
    """Return every row by its key.

    Parameters
    ----------
    folder
        A run's ``rows``, which may be missing.
    first
        The first generation that is read; what comes before it is another run's.

    Raises
    ------
    RunError
        When a file or a line is damaged, of another version, or no file of rows; the text names it.
    """
    found: dict[Key, Said] = {}
    seen: dict[Key, int] = {}
    with without_collections():
        for number, files in sorted(_files(folder).items()):
            if number >= first:
                found |= merged(_said(file, seen) for file in files)
        return {
            key: Stored(said.row, max(said.written if said.synced else 0, seen.get(key, 0)))
            for key, said in found.items()
            if said.row is not None
        }


@contextmanager
def without_collections() -> Iterator[None]:
    """Make objects that hold no cycles: to look for some in 100,000 rows again and again takes as long as reading.

    Afterwards they count as old, so that the first object made then does not have them all looked through.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():  # what the program froze itself stays frozen
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def merged(shards: Iterable[dict[Key, Said]]) -> dict[Key, Said]:
    """Return what one generation says of each key, from its shards in the order of their names."""
    found: dict[Key, Said] = {}
    for shard in shards:
        for key, said in shard.items():
            before = found.get(key)
            if before is None or said.counts_before(before):
                found[key] = said
    return found


def generations(folder: Path) -> dict[int, list[str]]:
    """Return the names of a folder's shards by their generation; see :func:`read_rows`."""
    return {number: [file.name for file in files] for number, files in _files(folder).items() if number}


def _files(folder: Path) -> dict[int, list[Path]]:
    """Return the files of rows by generation, each in the order of their names."""
    found: defaultdict[int, list[Path]] = defaultdict(list)
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except FileNotFoundError:
        return found
    except OSError as error:
        raise RunError(f"{folder}: cannot be read: {error.strerror}; {REMEDY}") from None
    for name in names:
        if name.endswith(".json"):
            found[0].append(folder / name)
        elif name.endswith(".jsonl"):
            numbered = _NAME.fullmatch(name)
            if numbered is None:
                raise RunError(f"{folder / name}: is no shard of a run's rows (GENERATION-….jsonl); move it away")
            found[int(numbered[1])].append(folder / name)
    return found


def _said(file: Path, seen: dict[Key, int]) -> dict[Key, Said]:
    """Return what a file says last of each key, and add to `seen` when files were seen whole."""
    found: dict[Key, Said] = {}
    unsynced: set[Key] = set()
    if file.is_symlink():
        inside(file.parent, file.name)
    try:
        check_plain(file, LARGEST_TEXT)
        if file.suffix == ".json":
            row = Row.parse(file.read_bytes(), str(file))
            check_files(row, str(file))
            return {row.key: Said(row, file.lstat().st_mtime_ns)}
        for number, text in _lines(file):
            if (plain := _plain_row(text)) is not None:
                row, written = plain
            else:
                line = _parsed(text, file, number)
                if line.row is None:
                    if line.removed is not None:
                        found[line.removed] = Said(None, line.written)
                    elif line.seen is not None:
                        seen[line.seen] = max(line.written, seen.get(line.seen, 0))
                    else:
                        unsynced.clear()
                    continue
                row, written = Row.from_json(line.row, f"{file}, line {number}"), line.written
            if not names_plain_files(row):
                check_files(row, f"{file}, line {number}")
            key = row.key
            found[key] = Said(row, written)
            unsynced.add(key)
    except OSError as error:
        raise RunError(f"{file}: cannot be read: {error.strerror}; {REMEDY}") from None
    for key in unsynced:
        found[key] = replace(found[key], synced=False)
    return found


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield a shard's whole lines with their numbers; what a kill left at its end is none."""
    with file.open("rb") as lines:
        for number, text in enumerate(lines, 1):
            if text.endswith(b"\n"):
                yield number, text


_decode = msgspec.json.Decoder(_Line).decode
_ROW = typed_json.closed(Row)
_decode_row = msgspec.json.Decoder(
    msgspec.defstruct("_RowLine", [("row", _ROW), ("written", _Time, 0)], forbid_unknown_fields=True)
).decode


def _plain_row(text: bytes) -> tuple[Row, int] | None:
    """Return the row of a line and when it was written; None for all that :func:`_parsed` and ``Row`` know more of.

    That is what is no row, damaged, contradicts itself, or has infinite values. Of the others this takes half of the
    time.
    """
    try:
        line: Any = _decode_row(text)
        row = msgspec.convert(line.row, Row, from_attributes=True)
        return None if contradiction(row) else (row, line.written)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _parsed(text: bytes, file: Path, number: int) -> _Line:
    try:
        line = _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RunError(f"{file}, line {number}: cannot be read: {error}; {REMEDY}") from None
    if sum(part is not None for part in (line.row, line.removed, line.seen)) + line.synced != 1:
        raise RunError(f"{file}, line {number}: is neither a row, nor removed, seen, or synced; {REMEDY}")
    return line


class Shard:
    """What one writer appends to: a file of its own, which begins with the first line.

    Every line is there for all readers, and for good where the process is killed, when a method returns. What a power
    failure can lose is what was written since the last fsync: that comes with the first line a second or a thousand
    lines after the one before, and with :meth:`sync`. The files of rows are brought to the disk together, before the
    line that says so: of a row whose files a power failure may have taken it is not known that they are whole. Where a
    disk is full or a write goes wrong, the next line goes to another file: a line that is cut is always the last of its
    shard.

    Parameters
    ----------
    folder
        A run's ``rows``; made when missing.
    generation
        1 or more, see :mod:`isorate.runs.shards`.
    """

    def __init__(self, folder: Path, generation: int) -> None:
        self.folder, self.generation = folder, generation
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._owner = 0
        self._unsynced: set[Path] = set()
        self._files: set[Path] = set()
        self._lines = 0
        self._synced_s = time.monotonic()

    @property
    def name(self) -> str | None:
        """The name of the file; None before its first line."""
        return None if self._path is None else self._path.name

    def row(self, row: Row, files: Iterable[Path] = ()) -> None:
        """Append a row; `files` are those that it names.

        Raises
        ------
        RunError
            When it cannot be written, also from the other methods.
        """
        self._append({"row": row.to_json()}, files, timed=True)

    def removed(self, key: Key) -> None:
        """Append that a row is to be made anew."""
        self._append({"removed": key})

    def seen(self, key: Key, when: int) -> None:
        """Append that a row's files were whole at a time, see :class:`Stored`."""
        self._append({"seen": key, "written": when})

    def sync(self) -> None:
        """Return when what was appended is on the disk."""
        with self._lock:
            self._sync()

    def _append(self, line: dict[str, Any], files: Iterable[Path] = (), *, timed: bool = False) -> None:
        with self._lock:
            try:
                handle = self._opened()
                try:
                    if timed:
                        os.utime(handle)  # to the time of the file system, which may be another machine's
                        line = {"written": os.fstat(handle).st_mtime_ns, **line}
                    self._write(handle, json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
                finally:
                    os.close(handle)
                self._files.update(files)
                if self._lines >= SYNC_LINES or time.monotonic() - self._synced_s >= SYNC_S:
                    self._sync()
            except OSError as error:
                raise RunError(
                    f"{self._path or self.folder}: cannot be written: {error.strerror}; choose a folder with room and "
                    "rights"
                ) from None

    def _opened(self) -> int:
        """Return the file, opened to be appended to: that of before, unless it is full, gone, or of a forked parent."""
        if self._path is not None and self._owner == os.getpid():
            try:
                handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
            except FileNotFoundError:  # an overwritten run
                self._unsynced.discard(self._path)
            else:
                if os.fstat(handle).st_size < LARGEST_SHARD:
                    return handle
                os.close(handle)
                self._sync()
        self.folder.mkdir(parents=True, exist_ok=True)
        words = f"{self.generation:06}", safe_name(socket.gethostname()), str(os.getpid()), secrets.token_hex(4)
        self._path, self._owner = self.folder / f"{'-'.join(words)}.jsonl", os.getpid()
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o666)

    def _write(self, handle: int, line: str) -> None:
        data = line.encode() + b"\n"
        path, self._path = self._path, None  # until it is known to be whole
        assert path is not None
        done = os.write(handle, data)
        if done < len(data) and os.write(handle, data[done:]) < len(data) - done:  # the second one tells why
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._path = path
        self._unsynced.add(path)
        self._lines += 1

    def _sync(self) -> None:
        if self._files:
            _fsync(self._files)
            self._files.clear()
            if self._path is not None:
                handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
                try:
                    self._write(handle, _SYNCED)
                finally:
                    os.close(handle)
        _fsync(self._unsynced)
        self._unsynced.clear()
        self._lines, self._synced_s = 0, time.monotonic()


def sync_generation(folder: Path, shard: Shard, files_of: Callable[[Row], Iterable[Path]]) -> None:
    """Return when a generation is on the disk: shards and files, those of other processes of this machine included.

    Parameters
    ----------
    folder
        A run's ``rows``.
    shard
        This process's of the generation; it notes which rows' files have been brought to the disk.
    files_of
        Gives the files that a row names.

    Raises
    ------
    RunError
        When the disk says that they are not.
    """
    try:
        files = [folder / name for name in generations(folder).get(shard.generation, [])]
        left = {row.key: (row, when) for file in files if _is_ours(file) for row, when in _unsynced_rows(file)}
        _fsync({path for row, _ in left.values() for path in files_of(row)})
        for key, (_, when) in left.items():
            shard.seen(key, when)
        shard.sync()
        _fsync(files)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}; choose a folder with room and rights") from None


def _is_ours(file: Path) -> bool:
    """Whether a process of this machine wrote the shard: what another one has in memory cannot be synced from here."""
    return f"-{safe_name(socket.gethostname())}-" in file.name


def _unsynced_rows(file: Path) -> Iterator[tuple[Row, int]]:
    """Yield the rows at a shard's end that no ``synced`` follows, and when they were written."""
    with file.open("rb") as lines:
        if not os.fstat(lines.fileno()).st_size:
            return
        with mmap.mmap(lines.fileno(), 0, access=mmap.ACCESS_READ) as content:
            lines.seek(content.rfind(f"\n{_SYNCED}\n".encode()) + 1)
        for number, text in enumerate(lines, 1):
            line = _parsed(text, file, number) if text.endswith(b"\n") else _Line()
            if line.row is not None:
                yield Row.from_json(line.row, str(file)), line.written


def _fsync(files: Collection[Path]) -> None:
    """Bring files to the disk, and the folders that have their names."""
    for path in (*files, *{file.parent for file in files}):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # of an overwritten run
            continue
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


_shards: dict[tuple[Path, int], Shard] = {}
_shards_lock = threading.Lock()


def shard_of_process(folder: Path, generation: int) -> Shard:
    """Return the one shard that this process's cells write to in a generation of a run."""
    with _shards_lock:
        key = folder, generation
        if key not in _shards:
            _shards.clear()  # a process works on one run at a time, and whoever still has another shard keeps it
            _shards[key] = Shard(folder, generation)
        return _shards[key]
