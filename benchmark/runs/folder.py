"""The run folder: everything a comparison produced, written row by row.

::

    RUN/manifest.json            configuration, data checksums, versions, platform, git commit
    RUN/stamps.json              what tells that an image's file is still the one that was read, by image
    RUN/rows/CELL--CODEC.json    one isorate.runs.row.Row each
    RUN/streams/CELL--CODEC.ext  the compressed file
    RUN/decoded/CELL--CODEC.webp its pixels, lossless (PNG where a side exceeds 16383); not of points for curves only
    RUN/originals/IMAGE.webp     the source's pixels, lossless

A row outside the tolerance names its codec's next file on the other side of the rate as well, ``CELL--CODEC~neighbour``
in ``streams/`` and ``decoded/``.
CELL is ``IMAGE--POINT``. Every file is written whole or not at all, the row last. A run may come from anyone, and its
files may be lost: a path that leads out of the folder is refused, and what is read is held against the checksums.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from isorate.errors import RunError
from isorate.files import typed_json
from isorate.files.atomic import write_bytes, write_json
from isorate.files.plain import LARGEST_PICTURE, LARGEST_TEXT, not_plain, read_plain
from isorate.image import Image, pixels_sha256
from isorate.runs.lossless import SUFFIXES, from_lossless, to_lossless
from isorate.runs.manifest import ImageEntry, Manifest
from isorate.runs.row import REMEDY, Neighbour, Row

STAMPS = "stamps.json"
SETTLED_NS = 2_000_000_000
"""What changed less than this before it was looked at may change again within one tick of a file system's clock."""
FOLDERS = ("rows", "streams", "decoded", "originals")
NEIGHBOUR = "~neighbour"
"""What ends the name of a neighbour's files; a codec's own ends in no such thing, see :func:`safe_name`."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~-]*")
"""What :func:`safe_name` gives: most names are seen to lead nowhere without taking a path to pieces."""
_RESTORE = "run the same isorate run command again to restore it"


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

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Return the run in `path`.

        Raises
        ------
        RunError
            When there is none, or its manifest is damaged or of another version.
        """
        file = inside(path, "manifest.json")
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
    def create(cls, path: Path, manifest: Manifest) -> "Run":
        """Write `manifest` into `path` and return the run; rows that are there stay.

        Raises
        ------
        RunError
            When it cannot be written, or one of the run's folders is a link that leads out of it.
        """
        for folder in FOLDERS:
            inside(path, folder)
        write_json(path / "manifest.json", manifest.to_json())
        return cls(path, manifest)

    def rows(self) -> list[Row]:
        """Return every row, in the manifest's order of images, points and codecs."""
        folder = inside(self.path, "rows")
        try:
            with os.scandir(folder) as found:
                files = sorted((file.name, not file.is_symlink()) for file in found if file.name.endswith(".json"))
        except FileNotFoundError:
            files = []
        except OSError as error:
            raise RunError(f"{folder}: cannot be read: {error.strerror}; {REMEDY}") from None
        rows = [self._read_row(f"rows/{name}", checked=no_link) for name, no_link in files]
        images = _ranks(self.manifest.image_names)
        points = _ranks(self.manifest.point_names)
        codecs = _ranks(self.manifest.codec_names)
        end = len(rows) + len(images)
        return sorted(
            rows,
            key=lambda row: (
                images.get(row.image, end), row.image, points.get(row.point, end), row.point,
                codecs.get(row.codec, end), row.codec,
            ),
        )  # fmt: skip

    def row(self, image: str, point: str, codec: str) -> Row | None:
        """Return one row, or None when it is not there yet."""
        file = self._row_file(image, point, codec)
        return self._read_row(file) if inside(self.path, file).exists() else None

    def write_row(self, row: Row) -> None:
        """Write `row`; its stream and pixels must be there."""
        write_json(self._target(self._row_file(row.image, row.point, row.codec)), row.to_json())

    def remove_row(self, image: str, point: str, codec: str) -> bool:
        """Remove a row, so that it is made anew; return whether it was there.

        Raises
        ------
        RunError
            When it cannot be removed.
        """
        file = self._target(self._row_file(image, point, codec))
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise RunError(f"{file}: cannot be removed: {error.strerror}; choose a folder that you may write") from None
        return True

    def write_stream(
        self, image: str, point: str, codec: str, suffix: str, data: bytes, *, neighbour: bool = False
    ) -> str:
        """Write a stream, the row's or its neighbour's, and return its path relative to the run."""
        relative = f"streams/{self._cell(image, point, codec)}{NEIGHBOUR if neighbour else ''}{suffix}"
        write_bytes(self._target(relative), data)
        return relative

    def write_decoded(
        self, image: str, point: str, codec: str, file: tuple[bytes, str], *, neighbour: bool = False
    ) -> str:
        """Write a lossless picture (bytes and suffix) and return its path relative to the run."""
        data, suffix = file
        relative = f"decoded/{self._cell(image, point, codec)}{NEIGHBOUR if neighbour else ''}{suffix}"
        write_bytes(self._target(relative), data)
        return relative

    def write_original(self, image: str, pixels: Image) -> None:
        """Keep the source's pixels, unless they are there and whole."""
        if not self.has_original(image):
            data, suffix = to_lossless(pixels)
            for other in SUFFIXES:
                self._target(f"originals/{safe_name(image)}{other}").unlink(missing_ok=True)
            write_bytes(self._target(f"originals/{safe_name(image)}{suffix}"), data)

    def file(self, relative: str) -> Path:
        """Return the path of a file of the run, as a row names it (``streams/…``, ``decoded/…``).

        Raises
        ------
        RunError
            When the path leads out of the folder, or no plain file is there.
        """
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

        No picture is asked for at a point that keeps none.
        """
        return all(self._has(row, file) for file in (row, row.neighbour) if file is not None)

    def is_untouched(self, row: Row) -> bool:
        """Whether the row's files and the original are there, and older than the row, which was written last."""
        newest = self._newest(row)
        return newest is not None and newest < self._row_written(row)

    def confirm(self, row: Row) -> bool:
        """Whether :meth:`has_files`; where it has, the row becomes younger than they are, for :meth:`is_untouched`."""
        newest = self._newest(row)
        if not self.has_files(row):
            return False
        if newest is not None and newest + SETTLED_NS < time.time_ns():
            younger = newest + SETTLED_NS
            with suppress(OSError):  # in a folder that cannot be written they are read once more the next time
                os.utime(self.path / self._row_file(*row.key), ns=(younger, younger), follow_symlinks=False)
        return True

    def _row_written(self, row: Row) -> int:
        return os.lstat(self.path / self._row_file(*row.key)).st_mtime_ns

    def _newest(self, row: Row) -> int | None:
        """Return when one of the row's files or the original last changed; None where one is missing or a link."""
        names = [item.stream for item in (row, row.neighbour) if item is not None]
        if self.manifest.keeps_pictures(row.point):
            names += [item.decoded for item in (row, row.neighbour) if item is not None]
        original = f"originals/{safe_name(row.image)}"
        times = [_changed(self.path / name) for name in names]
        times.append(max(_changed(self.path / f"{original}{suffix}") for suffix in SUFFIXES))
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
        try:
            stream = self.file(file.stream).read_bytes()
            if self.manifest.keeps_pictures(row.point):
                self._pixels(row, file)
        except (RunError, OSError):
            return False
        return hashlib.sha256(stream).hexdigest() == file.stream_sha256

    def _target(self, relative: str) -> Path:
        """Return the path to write to; a link at its end is replaced, one on the way may not lead out of the run."""
        inside(self.path, str(PurePosixPath(relative).parent))
        return self.path / relative

    def _cell(self, image: str, point: str, codec: str) -> str:
        return f"{safe_name(image)}--{safe_name(point)}--{safe_name(codec)}"

    def _row_file(self, image: str, point: str, codec: str) -> str:
        return f"rows/{self._cell(image, point, codec)}.json"

    def _read_row(self, relative: str, *, checked: bool = False) -> Row:
        """Return the row of a file of the run, of which may be known already that it is one and no link."""
        file = self.path / relative if checked else self.file(relative)
        check_plain(file, LARGEST_TEXT)
        try:
            text = file.read_bytes()
        except OSError as error:
            raise RunError(f"{file}: cannot be read: {error.strerror}; {REMEDY}") from None
        row = Row.parse(text, str(file))
        for item in (row, row.neighbour):
            for folder, path in (("streams", item.stream), ("decoded", item.decoded)) if item else ():
                if path:
                    _check_file(path, folder, str(file))
        return row


@lru_cache(maxsize=4)
def _manifest(file: Path, _inode: int, _size: int, _changed: int) -> tuple[Manifest, dict[str, ImageEntry]]:
    """Return what a manifest says, and its images by name; every cell of a run opens it, and it names every image."""
    manifest = Manifest.parse(file.read_bytes(), str(file))
    return manifest, _by_name(manifest)


def _by_name(manifest: Manifest) -> dict[str, ImageEntry]:
    return {entry.name: entry for entry in manifest.dataset.images}


def _changed(path: Path) -> int:
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
