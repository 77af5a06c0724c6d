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
import json
import re
from pathlib import Path
from typing import Any

from isorate.errors import RunError
from isorate.files.atomic import write_bytes, write_json
from isorate.image import Image
from isorate.runs.lossless import from_lossless, to_lossless
from isorate.runs.row import Row

MANIFEST_SCHEMA = 1


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
        The parsed ``manifest.json``.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Return the run in `path`.

        Raises
        ------
        RunError
            When there is none, or another version wrote it.
        """
        file = path / "manifest.json"
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{path}: no run there (no manifest.json); make one with: isorate run -o {path}") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{file}: cannot be read: {error}") from None
        if not isinstance(manifest, dict) or manifest.get("schema") != MANIFEST_SCHEMA:
            raise RunError(f"{file}: not a manifest of schema {MANIFEST_SCHEMA}; another version of isorate wrote it")
        return cls(path, manifest)

    @classmethod
    def create(cls, path: Path, manifest: dict[str, Any]) -> "Run":
        """Write `manifest` into `path` and return the run; rows that are there stay."""
        run = cls(path, {"schema": MANIFEST_SCHEMA, **manifest})
        write_json(path / "manifest.json", run.manifest)
        return run

    def rows(self) -> list[Row]:
        """Return every row, in the manifest's order of images, points and codecs."""
        rows = [self._read_row(file) for file in sorted((self.path / "rows").glob("*.json"))]
        images = _ranks(image["name"] for image in self.manifest["dataset"]["images"])
        points = _ranks(self.manifest["points"])
        codecs = _ranks(codec["name"] for codec in self.manifest["codecs"])
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
            data = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{file}: cannot be read: {error}; delete it and run the same command again") from None
        return Row.from_json(data, str(file))


def _ranks(names: Any) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(names)}
