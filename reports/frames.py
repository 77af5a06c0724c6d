"""The pictures of a page: crops and previews, and each lossless frame once, beside the page or inside it."""

import base64
import gzip
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image as PillowImage

from isorate.errors import ReportError
from isorate.files.atomic import write_bytes
from isorate.image import Image

INLINE_BUDGET = 4_000_000
"""Bytes of crops that a page holds itself; further ones lie beside it."""
LOSSLESS_BUDGET = 4_000_000
"""Bytes of lossless frames that a single file holds; one with more holds previews in their place."""
SINGLE_FILE_BUDGET = 6_500_000
"""Bytes of crops, previews and rows from which on a single file leaves pictures out: as data URLs they take a third
more, and a page of 10 MB still goes by mail."""
PLAIN_TEXT_BUDGET = 300_000
"""Bytes of a text that a single file holds as it is; of a larger one it holds a gzip."""
TEXT_BUDGET = 2_000_000
"""Bytes of such a gzip that a single file holds; it leaves a larger one out."""
PREVIEW_SIDE = 400
"""Pixels of a preview's longer side."""
PREVIEW_QUALITY = 65

_TYPES = {".webp": "image/webp", ".png": "image/png"}


def preview(pixels: Image) -> bytes:
    """Return a small lossy copy of a picture, for places that show it small, as a WebP file."""
    picture = PillowImage.fromarray(pixels)
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE), PillowImage.Resampling.LANCZOS)
    return _webp(picture, quality=PREVIEW_QUALITY, method=2)


def crop(pixels: Image) -> bytes:
    """Return a lossless copy of a crop, as a WebP file."""
    # An eighth smaller than the fastest setting for half as much time again; slower ones gain nothing more.
    return _webp(PillowImage.fromarray(pixels), lossless=True, quality=50, method=4, exact=True)


@dataclass(frozen=True, slots=True)
class Text:
    """A text file of a page: what it is called where it is saved, and its address, which may hold all of it."""

    name: str
    url: str


class Frames:
    """Takes the pictures of a page while it is built: what lies beside it is written at once and not kept.

    Parameters
    ----------
    folder
        Where the page will be; None for a single file, which must hold everything itself.

    Raises
    ------
    ReportError
        In all that adds something, when a part of `folder` is a link that leads out of it.
    RunError
        There, too, when it cannot be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lossless: dict[str, Path] = {}
        self._previews: dict[str, bytes] = {}
        self._inline = self._texts = 0
        self._inside: set[Path] = set()

    @property
    def single_file(self) -> bool:
        """Whether the page must hold everything itself."""
        return self._folder is None

    def add_frame(self, file: Path, small: bytes | None, folder: str = "frames") -> str:
        """Take a lossless file of the run with its preview, and return its key.

        Beside the page, a frame is a script that hands the lossless file over (the key with ``.js``): a page opened
        from disk may show a neighbouring picture but not read its pixels, as error maps must. A frame that is nowhere
        shown small needs no preview.
        """
        key = f"{folder}/{quote(file.name)}"
        if self._folder is None:
            self._lossless[key] = file
            if small is not None:
                self._previews[key] = small
            return key
        if small is not None:
            self._write(self._folder, f"previews/{folder}/{file.name}", small)
        script = handing_over(key, _data_url(file.read_bytes(), file.suffix))
        self._write(self._folder, f"{folder}/{file.name}.js", script)
        return key

    @cached_property
    def lossless(self) -> bool:
        """Whether the page can show the lossless frames: in a single file, whether they fit. Asked when all are in."""
        return sum(file.stat().st_size for file in self._lossless.values()) <= LOSSLESS_BUDGET

    @property
    def embedded(self) -> dict[str, str]:
        """Key to ``data:`` URL of what a single file holds of each frame: the lossless file, or the preview."""
        if self.lossless:
            return {key: _data_url(file.read_bytes(), file.suffix) for key, file in self._lossless.items()}
        return {key: _data_url(data, ".webp") for key, data in self._previews.items()}

    def add_crop(self, name: str, data: bytes) -> str:
        """Take a crop's file and return its address: inline while the budget lasts."""
        if self._folder is None or self._inline + len(data) <= INLINE_BUDGET:
            self._inline += len(data)
            return _data_url(data, ".webp")
        self._write(self._folder, f"crops/{name}.webp", data)
        return f"crops/{quote(name)}.webp"

    def add_text(self, name: str, text: str, kind: str) -> Text | None:
        """Take a text file (`kind` is its media type); None where a single file has no room for it."""
        data = text.encode()
        if self._folder is not None:
            self._write(self._folder, name, data)
            return Text(name, name)
        if len(data) > PLAIN_TEXT_BUDGET:
            data, name, kind = gzip.compress(data, mtime=0), f"{name}.gz", "application/gzip"
            if len(data) > TEXT_BUDGET:
                return None
        self._texts += len(data)
        return Text(name, f"data:{kind};base64,{base64.b64encode(data).decode()}")

    @property
    def room(self) -> int:
        """Bytes of pictures that a single file has room for, beside its texts."""
        return SINGLE_FILE_BUDGET - self._texts

    def add_script(self, key: str, value: Any) -> None:
        """Take what a page that is no single file loads when it needs it, as a script (the key with ``.js``)."""
        assert self._folder is not None
        self._write(self._folder, f"{key}.js", handing_over(key, value))

    def _write(self, folder: Path, name: str, data: bytes) -> None:
        file = folder / name
        if file.parent not in self._inside:
            if not file.parent.resolve().is_relative_to(folder.resolve()):
                raise ReportError(f"{file.parent}: is a link that leads out of {folder}; remove it, or give another -o")
            self._inside.add(file.parent)
        write_bytes(file, data, durable=False)


def handing_over(key: str, value: Any) -> bytes:
    """Return a script that hands a value over to the page that loads it: it may not read other files on disk."""
    return f"isorateFrame({json.dumps(key)},{json.dumps(value, allow_nan=False)});\n".encode()


def _webp(picture: PillowImage.Image, **how: int | bool) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", **how)
    return out.getvalue()


def _data_url(data: bytes, suffix: str) -> str:
    return f"data:{_TYPES[suffix]};base64,{base64.b64encode(data).decode()}"
