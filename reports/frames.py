"""The pictures of a page: crops and previews, and each lossless frame once, beside the page or inside it."""

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
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
"""Bytes of crops and previews from which on a single file leaves operating points' pictures out: as data URLs they take
a third more, and a page of 10 MB still goes by mail."""
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


@dataclass
class Frames:
    """Collects the pictures while a page is built, then writes those that lie beside it.

    Attributes
    ----------
    single_file
        Whether the page must hold everything itself.
    """

    single_file: bool
    _lossless: dict[str, Path] = field(default_factory=dict)
    _previews: dict[str, bytes] = field(default_factory=dict)
    _files: dict[str, bytes] = field(default_factory=dict)
    _inline: int = 0

    def add_frame(self, file: Path, small: bytes | None, folder: str = "frames") -> str:
        """Take a lossless file of the run with its preview, and return its key.

        Beside the page, a frame is a script that hands the lossless file over (the key with ``.js``): a page opened
        from disk may show a neighbouring picture but not read its pixels, as error maps must. A frame that is nowhere
        shown small needs no preview.
        """
        key = f"{folder}/{quote(file.name)}"
        self._lossless[key] = file
        if small is not None:
            self._previews[key] = small
            if not self.single_file:
                self._files[f"previews/{folder}/{file.name}"] = small
        return key

    @property
    def lossless(self) -> bool:
        """Whether the page can show the lossless frames: in a single file, whether they fit."""
        if not self.single_file:
            return True
        return sum(file.stat().st_size for file in self._lossless.values()) <= LOSSLESS_BUDGET

    @property
    def embedded(self) -> dict[str, str]:
        """Key to ``data:`` URL of what a single file holds of each frame: the lossless file, or the preview."""
        if not self.single_file:
            return {}
        if self.lossless:
            return {key: _data_url(file.read_bytes(), file.suffix) for key, file in self._lossless.items()}
        return {key: _data_url(data, ".webp") for key, data in self._previews.items()}

    def add_crop(self, name: str, data: bytes) -> str:
        """Take a crop's file and return its address: inline while the budget lasts."""
        if self.single_file or self._inline + len(data) <= INLINE_BUDGET:
            self._inline += len(data)
            return _data_url(data, ".webp")
        self._files[f"crops/{name}.webp"] = data
        return f"crops/{quote(name)}.webp"

    def add_text(self, name: str, text: str, kind: str) -> str:
        """Take a text file (`kind` is its media type) and return its address, inside the page in a single file."""
        data = text.encode()
        if self.single_file:
            return f"data:{kind};base64,{base64.b64encode(data).decode()}"
        self._files[name] = data
        return name

    def write(self, folder: Path) -> None:
        """Write the files that lie beside the page into `folder`.

        Raises
        ------
        ReportError
            When a part of `folder` is a link that leads out of it.
        RunError
            When it cannot be written.
        """
        for name, data in self._files.items():
            self._write(folder, name, data)
        if not self.single_file:
            for key, file in self._lossless.items():  # read one by one: they may be gigabytes together
                script = f"isorateFrame({json.dumps(key)},{json.dumps(_data_url(file.read_bytes(), file.suffix))});\n"
                self._write(folder, f"{Path(key).parent}/{file.name}.js", script.encode())

    def _write(self, folder: Path, name: str, data: bytes) -> None:
        file = folder / name
        if not file.parent.resolve().is_relative_to(folder.resolve()):
            raise ReportError(f"{file.parent}: is a link that leads out of {folder}; remove it, or give another -o")
        write_bytes(file, data, durable=False)


def _webp(picture: PillowImage.Image, **how: int | bool) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", **how)
    return out.getvalue()


def _data_url(data: bytes, suffix: str) -> str:
    return f"data:{_TYPES[suffix]};base64,{base64.b64encode(data).decode()}"
