"""The run folder: everything a comparison produced, written row by row.

::

    RUN/manifest.json            configuration, data checksums, versions, platform, git commit
    RUN/rows/CELL--CODEC.json    one isorate.runs.row.Row each
    RUN/streams/CELL--CODEC.ext  the compressed file
    RUN/decoded/CELL--CODEC.webp its pixels, lossless (PNG where a side exceeds 16383)
    RUN/originals/IMAGE.webp     the source's pixels, lossless

CELL is ``IMAGE--POINT``. Every file is written whole or not at all, the row last: a row's files are always there.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from isorate.errors import RunError
from isorate.files.atomic import write_bytes, write_json
from isorate.image import Image
from isorate.runs.lossless import from_lossless, to_lossless
from isorate.runs.manifest import Manifest
from isorate.runs.row import REMEDY, Row


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
        file = path / "manifest.json"
        try:
            text = file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"{path}: no run there (no manifest.json); make one with: isorate run -o {path}") from None
        except OSError as error:
            raise RunError(f"{file}: cannot be read: {error.strerror}; choose a folder that you may read") from None
        return cls(path, Manifest.parse(text, str(file)))

    @classmethod
    def create(cls, path: Path, manifest: Manifest) -> "Run":
        """Write `manifest` into `path` and return the run; rows that are there stay."""
        write_json(path / "manifest.json", manifest.to_json())
        return cls(path, manifest)

    def rows(self) -> list[Row]:
        """Return every row, in the manifest's order of images, points and codecs."""
        rows = [self._read_row(file) for file in sorted((self.path / "rows").glob("*.json"))]
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
        return self._read_row(file) if file.exists() else None

    def write_row(self, row: Row) -> None:
        """Write `row`; its stream and pixels must be there."""
        write_json(self._row_file(row.image, row.point, row.codec), row.to_json())

    def remove_row(self, image: str, point: str, codec: str) -> bool:
        """Remove a row, so that it is made anew; return whether it was there.

        Raises
        ------
        RunError
            When it cannot be removed.
        """
        file = self._row_file(image, point, codec)
        try:
            file.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise RunError(f"{file}: cannot be removed: {error.strerror}; choose a folder that you may write") from None
        return True

    def write_stream(self, image: str, point: str, codec: str, suffix: str, data: bytes) -> str:
        """Write a stream and return its path relative to the run."""
        relative = f"streams/{self._cell(image, point, codec)}{suffix}"
        write_bytes(self.path / relative, data)
        return relative

    def write_decoded(self, image: str, point: str, codec: str, file: tuple[bytes, str]) -> str:
        """Write a lossless picture (bytes and suffix) and return its path relative to the run."""
        data, suffix = file
        relative = f"decoded/{self._cell(image, point, codec)}{suffix}"
        write_bytes(self.path / relative, data)
        return relative

    def write_original(self, image: str, pixels: Image) -> None:
        """Keep the source's pixels, unless they are there."""
        if self._original_file(image) is None:
            data, suffix = to_lossless(pixels)
            write_bytes(self.path / "originals" / f"{safe_name(image)}{suffix}", data)

    def read_image(self, relative: str) -> Image:
        """Return the pixels of a ``decoded`` path of a row."""
        return from_lossless(self.path / relative)

    def original(self, image: str) -> Image:
        """Return the source's pixels.

        Raises
        ------
        RunError
            When the run has no such image.
        """
        return from_lossless(self.original_file(image))

    def original_file(self, image: str) -> Path:
        """Return the lossless file with the source's pixels; see :meth:`original`."""
        file = self._original_file(image)
        if file is None:
            raise RunError(f"{self.path}: has no original {image!r}; run the same command again to restore it")
        return file

    def _original_file(self, image: str) -> Path | None:
        for suffix in (".webp", ".png"):
            file = self.path / "originals" / f"{safe_name(image)}{suffix}"
            if file.exists():
                return file
        return None

    def _cell(self, image: str, point: str, codec: str) -> str:
        return f"{safe_name(image)}--{safe_name(point)}--{safe_name(codec)}"

    def _row_file(self, image: str, point: str, codec: str) -> Path:
        return self.path / "rows" / f"{self._cell(image, point, codec)}.json"

    def _read_row(self, file: Path) -> Row:
        try:
            text = file.read_bytes()
        except OSError as error:
            raise RunError(f"{file}: cannot be read: {error.strerror}; {REMEDY}") from None
        return Row.parse(text, str(file))


def _ranks(names: Iterable[str]) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(names)}
