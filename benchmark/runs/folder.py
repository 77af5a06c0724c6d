"""The run folder: everything a comparison produced, written row by row.

::

    RUN/manifest.json            configuration, data checksums, versions, platform, git commit
    RUN/stamps.json              what tells that an image's file is still the one that was read, by image
    RUN/rows/….jsonl             one isorate.runs.row.Row a line, see isorate.runs.shards
    RUN/streams/CELL--CODEC.ext  the compressed file
    RUN/decoded/CELL--CODEC.webp its pixels, lossless (PNG where a side exceeds 16383); not of points for curves only
    RUN/originals/IMAGE.webp     the source's pixels, lossless

The manifest says which of the last three folders the run keeps (:class:`isorate.runs.keep.Keep`).
A row outside the tolerance names its codec's next file on the other side of the rate as well, ``CELL--CODEC~neighbour``
in ``streams/`` and ``decoded/``.
CELL is ``IMAGE--POINT``. Every file is written whole or not at all, the row last, at the end of a file of rows. A run
may come from anyone, and its files may be lost: a path that leads out of the folder is refused, and what is read is
held against the checksums.
"""

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from isorate.errors import RunError
from isorate.files import typed_json
from isorate.files.atomic import write_bytes, write_json
from isorate.files.plain import LARGEST_PICTURE, LARGEST_TEXT, read_plain
from isorate.image import Image, pixels_sha256
from isorate.runs.belonging import belongs, run_digest
from isorate.runs.lossless import SUFFIXES, from_lossless, to_lossless
from isorate.runs.manifest import ImageEntry, Manifest
from isorate.runs.paths import check_plain, inside, safe_name
from isorate.runs.row import Key, Neighbour, Row
from isorate.runs.shards import (
    Shard,
    Stored,
    generations,
    read_rows,
    shard_of_process,
    sync_generation,
    without_collections,
)

STAMPS = "stamps.json"
SETTLED_NS = 2_000_000_000
"""What changed less than this before it was looked at may change again within one tick of a file system's clock."""
FOLDERS = ("rows", "streams", "decoded", "originals")
NEIGHBOUR = "~neighbour"
"""What ends the name of a neighbour's files; a codec's own, as a safe file name, ends in no such thing."""
MANIFEST = "manifest.json"
_RESTORE = "run the same isorate run command again to restore it"


class ReplacedError(RunError):
    """The folder holds another run than the one that is written to."""


class Run:
    """A run folder.

    Attributes
    ----------
    path
        The folder.
    manifest
        What ``manifest.json`` says.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._shard: Shard | None = None
        self._shared = False
        self._held = ""
        self._seen: tuple[int, ...] = ()

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Return the run in `path`.

        Raises
        ------
        RunError
            When there is none, or its manifest is damaged or of another version.
        """
        file = inside(path, MANIFEST)
        try:
            if not file.exists():
                raise RunError(f"{path}: no run there (no manifest.json); make one with: isorate run -o {path}")
            check_plain(file, LARGEST_TEXT)
            about = file.stat()
            manifest, images = _manifest(file, about.st_ino, about.st_size, about.st_mtime_ns)
        except OSError as error:
            raise RunError(f"{file}: cannot be read: {error.strerror}; choose a folder that you may read") from None
        run = cls(path, manifest)
        run._images = images
        return run

    @classmethod
    def of(cls, run: "Run | Path | str") -> "Run":
        """Return a run that is given as it is or as its folder.

        Raises
        ------
        RunError
            See :meth:`open`.
        """
        return run if isinstance(run, Run) else cls.open(Path(run))

    @classmethod
    def create(cls, path: Path, manifest: Manifest, *, anew: bool = False) -> "Run":
        """Write `manifest` into `path` and return the run.

        Parameters
        ----------
        path, manifest
            The folder, and what it says.
        anew
            Whether what another run left there is removed, and what it still writes there counts for nothing; rows that
            are there stay otherwise.

        Raises
        ------
        UsageError
            When the manifest could not be read back; what is there stays then.
        RunError
            When it cannot be written, or one of the run's folders is a link that leads out of it.
        """
        for folder in FOLDERS:
            inside(path, folder)
        if anew:
            newest = max(generations(path / "rows"), default=0)
            manifest = replace(manifest, first_generation=max(manifest.first_generation, newest + 1))
        write_bytes(path / MANIFEST, manifest.text())
        if anew:  # by now no row that is left, or that comes, is taken for one of this run
            for folder in FOLDERS:
                shutil.rmtree(path / folder, ignore_errors=True)
        return cls(path, manifest)

    def rows(self) -> list[Row]:
        """Return every row, in the manifest's order of images, points and codecs."""
        images = _ranks(self.manifest.image_names)
        points = _ranks(self.manifest.point_names)
        codecs = _ranks(self.manifest.codec_names)
        with without_collections():
            found = self.stored_rows()
            end = len(found) + len(images)

            def place(key: Key) -> tuple[int, str, int, str, int, str]:
                image, point, codec = key
                return images.get(image, end), image, points.get(point, end), point, codecs.get(codec, end), codec

            return [found[key].row for key in sorted(found, key=place)]

    def stored_rows(self) -> dict[Key, Stored]:
        """Return every row that the manifest describes by its key, with when it was written."""
        found = read_rows(self._rows_folder, self.manifest.first_generation)
        described = belongs(self.manifest, self._images)
        others = [key for key, stored in found.items() if not described(stored.row)]
        for key in others:
            del found[key]
        return found

    def rows_since(self, generation: int) -> dict[Key, Row]:
        """Return the rows that were written in a generation, or after it, by their keys."""
        return {key: stored.row for key, stored in read_rows(self._rows_folder, generation).items()}

    @property
    def _rows_folder(self) -> Path:
        return inside(self.path, "rows")

    def begin_generation(self) -> int:
        """Begin a generation of rows, to which several processes write, and return its number.

        It counts before all that are there. What this run writes from now on belongs to it.
        """
        generation = 1 + self._newest_generation(generations(self._rows_folder))
        self._shard, self._shared = Shard(self._rows_folder, generation), True
        return generation

    def _newest_generation(self, there: Iterable[int]) -> int:
        return max([*there, self.manifest.first_generation - 1, 0])

    def hold(self, digest: str) -> None:
        """Write nothing from now on unless the manifest in the folder is one of this digest.

        See ``isorate.runs.belonging.run_digest``: another command may begin another run in the folder meanwhile.

        Raises
        ------
        ReplacedError
            When it is another one already; so do methods that write when it has become one.
        """
        self._held, self._seen = digest, ()
        self._check_held()

    def _check_held(self) -> None:
        if not self._held:
            return
        try:
            about = (self.path / MANIFEST).stat()
            now = about.st_ino, about.st_size, about.st_mtime_ns
            if now == self._seen:
                return
            file = inside(self.path, MANIFEST)
            check_plain(file, LARGEST_TEXT)
            other = _digest(file, *now) != self._held
        except (OSError, RunError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise ReplacedError(
                f"{self.path / MANIFEST}: cannot be read any more ({why}), nothing more is written to the run; run the "
                "same command again, with another folder (-o)"
            ) from None
        if other:
            raise ReplacedError(
                f"{self.path}: holds another run by now, which another command began there; nothing more is written. "
                "Give one of the two another folder (-o)"
            )
        self._seen = now

    def join_generation(self, generation: int) -> None:
        """Write rows to this process's shard of a generation that another process began."""
        self._shard, self._shared = shard_of_process(self._rows_folder, generation), True

    def sync_generation(self) -> None:
        """Return when the rows of the generation that was begun, and their files, are on the disk.

        See :class:`isorate.runs.shards.Shard` for when else they are.

        Raises
        ------
        RunError
            When the disk says that they are not.
        """
        assert self._shard is not None
        self._check_held()
        sync_generation(self._rows_folder, self._shard, self._files_of)

    def _newest_shard(self) -> Shard:
        """Return a shard whose next line counts before everything that is there."""
        self._check_held()
        if self._shared and self._shard is not None:
            return self._shard
        folder = self._rows_folder
        there = generations(folder)
        newest = self._newest_generation(there)
        mine = self._shard is not None and self._shard.generation == newest and there.get(newest) == [self._shard.name]
        if self._shard is None or not mine:
            self._shard = Shard(folder, newest + 1)
        return self._shard

    def write_row(self, row: Row) -> None:
        """Write `row`, in place of the one of its key; its stream and pixels must be there.

        See :class:`isorate.runs.shards.Shard` for what a power failure can lose.
        """
        self._newest_shard().row(row, self._files_of(row))

    def _files_of(self, row: Row) -> list[Path]:
        """Return the files that a good row needs; of the original, which is one of two, both names."""
        if not row.ok:
            return []
        named = [name for item in (row, row.neighbour) if item is not None for name in (item.stream, item.decoded)]
        originals = [f"originals/{safe_name(row.image)}{suffix}" for suffix in SUFFIXES]
        return [self.path / name for name in (*named, *originals) if name]

    def remove_row(self, image: str, point: str, codec: str) -> bool:
        """Remove a row, so that it is made anew; return whether it was there.

        Raises
        ------
        RunError
            When it cannot be removed.
        """
        return self.remove_rows([(image, point, codec)]) == 1

    def remove_rows(self, keys: Iterable[Key]) -> int:
        """Remove rows, for good when this returns, and return how many of them were there; see :meth:`remove_row`."""
        there = self.stored_rows()
        keys = [key for key in dict.fromkeys(keys) if key in there]
        for key in keys:
            self._newest_shard().removed(key)
        if keys:
            self._newest_shard().sync()
        return len(keys)

    def write_stream(
        self, image: str, point: str, codec: str, suffix: str, data: bytes, *, neighbour: bool = False
    ) -> str:
        """Write a stream, the row's or its neighbour's, and return its path relative to the run.

        Nothing is written, and the path is empty, where the run keeps none; so it is with :meth:`write_decoded`.
        """
        if not self.manifest.keep.streams:
            return ""
        relative = f"streams/{self._cell(image, point, codec)}{NEIGHBOUR if neighbour else ''}{suffix}"
        write_bytes(self._target(relative), data, durable=False)
        return relative

    def write_decoded(
        self, image: str, point: str, codec: str, file: tuple[bytes, str], *, neighbour: bool = False
    ) -> str:
        """Write a lossless picture (bytes and suffix) and return its path relative to the run."""
        if not self.manifest.keeps_pictures(point):
            return ""
        data, suffix = file
        relative = f"decoded/{self._cell(image, point, codec)}{NEIGHBOUR if neighbour else ''}{suffix}"
        write_bytes(self._target(relative), data, durable=False)
        return relative

    def write_original(self, image: str, pixels: Image) -> None:
        """Keep the source's pixels, unless they are there and whole, or the run keeps none."""
        if self.manifest.keep.pictures and not self.has_original(image):
            data, suffix = to_lossless(pixels)
            for other in SUFFIXES:
                self._target(f"originals/{safe_name(image)}{other}").unlink(missing_ok=True)
            write_bytes(self._target(f"originals/{safe_name(image)}{suffix}"), data, durable=False)

    def file(self, relative: str) -> Path:
        """Return the path of a file of the run, as a row names it (``streams/…``, ``decoded/…``).

        Raises
        ------
        RunError
            When the path leads out of the folder, no plain file is there, or the row names none.
        """
        if not relative:
            what = "decoded pictures" if self.manifest.keep.streams else "streams and no decoded pictures"
            raise RunError(f"{self.path}: {self.manifest.keep.lacking(what)}")
        path = inside(self.path, relative)
        if not path.is_file():
            raise RunError(f"{path}: is not there; {_RESTORE}")
        check_plain(path, LARGEST_PICTURE)
        return path

    def read_image(self, relative: str) -> Image:
        """Return the pixels of a lossless file of the run; see :meth:`file`."""
        return from_lossless(self.file(relative))

    def decoded(self, row: Row) -> Image:
        """Return the pixels that a row's numbers were measured on.

        Raises
        ------
        RunError
            When its picture is missing, damaged, or another one.
        """
        return self._pixels(row, row)

    def decoded_neighbour(self, row: Row) -> Image:
        """Return the pixels of the neighbour that a row must have; see :meth:`decoded`."""
        assert row.neighbour is not None
        return self._pixels(row, row.neighbour)

    def _pixels(self, row: Row, file: Row | Neighbour) -> Image:
        pixels = self.read_image(file.decoded)
        entry = self.entry(row.image)
        if entry is None or pixels.shape[:2] != (entry.height, entry.width):
            raise RunError(
                f"{self.path / file.decoded}: is not of the size of {row.image!r} in the manifest; {_RESTORE}"
            )
        return _held(pixels, file.decoded_sha256, self.path / file.decoded)

    def original(self, image: str) -> Image:
        """Return the source's pixels.

        Raises
        ------
        RunError
            When the run has no such image, or its picture is missing, damaged, or not that of the manifest.
        """
        file = self.original_file(image)
        return _held(from_lossless(file), self._images[image].sha256, file)

    @cached_property
    def _images(self) -> dict[str, ImageEntry]:
        return _by_name(self.manifest)

    def entry(self, image: str) -> ImageEntry | None:
        """Return what the manifest says of an image, or None where the run has no such image."""
        return self._images.get(image)

    def original_file(self, image: str) -> Path:
        """Return the lossless file with the source's pixels; see :meth:`original`."""
        entry = self.entry(image)
        if entry is None or entry.error is not None:
            why = "the manifest has no such image" if entry is None else entry.error
            raise RunError(f"{self.path}: has no original {image!r}: {why}")
        if not self.manifest.keep.pictures:
            raise RunError(f"{self.path}: {self.manifest.keep.lacking('originals')}")
        for suffix in SUFFIXES:
            relative = f"originals/{safe_name(image)}{suffix}"
            if inside(self.path, relative).exists():
                return self.file(relative)
        raise RunError(f"{self.path}: has no original {image!r}; {_RESTORE}")

    def has_original(self, image: str) -> bool:
        """Whether the source's pixels are there, and those of the manifest."""
        try:
            self.original(image)
        except RunError:
            return False
        return True

    def has_files(self, row: Row) -> bool:
        """Whether the files of a row and of its neighbour are there, with the checksums that it has of them.

        Only what the run keeps is asked for.
        """
        return all(self._has(row, file) for file in (row, row.neighbour) if file is not None)

    def is_untouched(self, stored: Stored) -> bool:
        """Whether the row's files and the original are there, and not younger than the row, which was written last.

        So it is of a row without files in a run that keeps none. Files and row are mostly of one tick of the file
        system's clock, some milliseconds, on FAT and some network drives up to two seconds: what somebody else changed
        within that is not seen.
        """
        if not self.manifest.keep.streams:
            return True
        newest = self._newest(stored.row)
        return newest is not None and newest <= stored.written

    def confirm(self, row: Row) -> bool:
        """Whether :meth:`has_files`; where it has, the row becomes younger than they are, for :meth:`is_untouched`."""
        newest = self._newest(row)
        if not self.has_files(row):
            return False
        if newest is not None and newest + SETTLED_NS < time.time_ns():
            with suppress(RunError):  # in a folder that cannot be written they are read once more the next time
                self._newest_shard().seen(row.key, newest + SETTLED_NS)
        return True

    def _newest(self, row: Row) -> int | None:
        """Return when one of the row's files or the original last changed; None where one is missing or a link."""
        names = [item.stream for item in (row, row.neighbour) if item is not None]
        if self.manifest.keeps_pictures(row.point):
            names += [item.decoded for item in (row, row.neighbour) if item is not None]
        folder = os.fspath(self.path)  # a Path for each of them took longer than to look at them
        times = [_changed(f"{folder}/{name}") for name in names]
        if self.manifest.keep.pictures:
            original = f"{folder}/originals/{safe_name(row.image)}"
            times.append(max(_changed(f"{original}{suffix}") for suffix in SUFFIXES))
        return max(times) if self._stays_inside and min(times) > 0 else None

    @cached_property
    def _stays_inside(self) -> bool:
        return all(inside(self.path, folder) for folder in FOLDERS)

    def stamps(self) -> dict[str, str]:
        """Return what :meth:`write_stamps` wrote, or nothing where that is not there, as in older runs, or damaged."""
        try:
            return typed_json.fit(typed_json.parse(read_plain(inside(self.path, STAMPS), LARGEST_TEXT)), dict[str, str])
        except (OSError, ValueError):
            return {}

    def write_stamps(self, stamps: dict[str, str]) -> None:
        """Keep what tells that an image's file is the one that was read, by image."""
        told = {name: stamp for name, stamp in stamps.items() if stamp}
        if told and told != self.stamps():
            write_json(self.path / STAMPS, told)

    def _has(self, row: Row, file: Row | Neighbour) -> bool:
        if not self.manifest.keep.streams:
            return True
        try:
            stream = self.file(file.stream).read_bytes()
            if self.manifest.keeps_pictures(row.point):
                self._pixels(row, file)
        except (RunError, OSError):
            return False
        return hashlib.sha256(stream).hexdigest() == file.stream_sha256

    def _target(self, relative: str) -> Path:
        """Return the path to write to; a link at its end is replaced, one on the way may not lead out of the run."""
        self._check_held()
        inside(self.path, str(PurePosixPath(relative).parent))
        return self.path / relative

    def _cell(self, image: str, point: str, codec: str) -> str:
        return f"{safe_name(image)}--{safe_name(point)}--{safe_name(codec)}"


@lru_cache(maxsize=4)
def _manifest(file: Path, _inode: int, _size: int, _changed: int) -> tuple[Manifest, dict[str, ImageEntry]]:
    """Return what a manifest says, and its images by name; every cell of a run opens it, and it names every image."""
    manifest = Manifest.parse(file.read_bytes(), str(file))
    return manifest, _by_name(manifest)


@lru_cache(maxsize=4)
def _digest(file: Path, inode: int, size: int, changed: int) -> str:
    return run_digest(_manifest(file, inode, size, changed)[0])


def _by_name(manifest: Manifest) -> dict[str, ImageEntry]:
    return {entry.name: entry for entry in manifest.dataset.images}


def _changed(path: str) -> int:
    """Return when a file changed, in nanoseconds since 1970, its name and rights included; 0 where it is none."""
    try:
        about = os.lstat(path)
    except OSError:
        return 0
    return max(about.st_mtime_ns, about.st_ctime_ns) if stat.S_ISREG(about.st_mode) else 0


def _held(pixels: Image, sha256: str, file: Path) -> Image:
    if pixels_sha256(pixels) != sha256:
        raise RunError(f"{file}: is not the picture that the run made; {_RESTORE}")
    return pixels


def _ranks(names: Iterable[str]) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(names)}
