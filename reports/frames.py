"""The pictures of a page: crops inline, full frames beside it, or everything inside one file."""

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

_TYPES = {".webp": "image/webp", ".png": "image/png"}


@dataclass
class Frames:
    """Collects the pictures while a page is built, then writes those that lie beside it.

    Attributes
    ----------
    single_file
        Whether the page must hold everything itself.
    embedded
        Key to ``data:`` URL of the full frames, in a single file.
    """

    single_file: bool
    embedded: dict[str, str] = field(default_factory=dict)
    _files: dict[str, bytes] = field(default_factory=dict)
    _inline: int = 0

    def add_frame(self, file: Path, folder: str = "frames") -> str:
        """Take a lossless file of the run and return its key, which is its address where it lies beside the page."""
        key = f"{folder}/{quote(file.name)}"
        data = file.read_bytes()
        url = _data_url(data, file.suffix)
        if self.single_file:
            self.embedded[key] = url
        else:
            self._files[f"{folder}/{file.name}"] = data
            # A page opened from disk may show a neighbouring file but not read its pixels, as the error maps must;
            # a script beside it may hand them over.
            script = f"isorateFrame({json.dumps(key)},{json.dumps(url)});\n"
            self._files[f"pixels/{folder}/{file.name}.js"] = script.encode()
        return key

    def add_crop(self, name: str, pixels: Image) -> str:
        """Take a crop and return the address of its lossless copy: inline while the budget lasts."""
        out = io.BytesIO()
        # The fastest setting: the others take ten times as long for 5 % of the bytes.
        PillowImage.fromarray(pixels).save(out, "WEBP", lossless=True, quality=0, method=0, exact=True)
        data = out.getvalue()
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
        inside = folder.resolve()
        for name, data in self._files.items():
            file = folder / name
            if not file.parent.resolve().is_relative_to(inside):
                raise ReportError(f"{file.parent}: is a link that leads out of {folder}; remove it, or give another -o")
            write_bytes(file, data, durable=False)


def _data_url(data: bytes, suffix: str) -> str:
    return f"data:{_TYPES[suffix]};base64,{base64.b64encode(data).decode()}"
