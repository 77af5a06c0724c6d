"""Which boxes of an image are magnified: pinned in TOML, or proposed where close codecs differ on structure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from isorate.errors import ReportError, UsageError
from isorate.files import typed_json
from isorate.files.plain import LARGEST_SETTINGS
from isorate.files.toml import TomlFile
from isorate.image import Image
from isorate.reports.results import Comparison, ImageInfo
from isorate.runs.paths import check_plain, inside

PINS_IN_RUN = "crops.toml"
"""A file of this name in a run folder pins boxes for that run."""

_Pixels: TypeAlias = Annotated[int, Meta(ge=0, le=2**31)]
_Zoom: TypeAlias = Annotated[int, Meta(ge=1, le=64)]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of an image, in its pixels, and the whole-number zoom at which it is shown."""

    name: str
    image: str
    x: _Pixels
    y: _Pixels
    width: _Pixels
    height: _Pixels
    zoom: _Zoom = 2

    def of(self, image: Image) -> Image:
        """Return the pixels inside the box."""
        return image[self.y : self.y + self.height, self.x : self.x + self.width]

    def fits(self, width: int, height: int) -> bool:
        """Whether the box lies inside an image of this size."""
        inside = self.x >= 0 and self.y >= 0 and self.x + self.width <= width and self.y + self.height <= height
        return inside and self.width > 0 and self.height > 0

    def overlaps(self, other: "Box") -> bool:
        """Whether the two boxes share a pixel."""
        apart_x = self.x + self.width <= other.x or other.x + other.width <= self.x
        apart_y = self.y + self.height <= other.y or other.y + other.height <= self.y
        return not (apart_x or apart_y)

    def toml(self) -> str:
        """Return the table that pins this box."""
        name, image = (value.replace("\\", "\\\\").replace('"', '\\"') for value in (self.name, self.image))
        return (
            f'[[crop]]\nname = "{name}"\nimage = "{image}"\nx = {self.x}\ny = {self.y}\n'
            f"width = {self.width}\nheight = {self.height}\nzoom = {self.zoom}\n"
        )


def read_pins(text: str, where: str) -> list[Box]:
    """Return the boxes of a TOML text.

    Raises
    ------
    ReportError
        When it is not TOML, or a table lacks a field or has an unknown or wrong one; `where` names the file.
    """
    try:
        return _pins(TomlFile(text, where))
    except UsageError as error:
        raise ReportError(str(error)) from None


def _pins(file: TomlFile) -> list[Box]:
    tables = file.data.get("crop", [])
    if not isinstance(tables, list):
        raise file.error(("crop",), "crop is no list of tables; write each box as [[crop]]")
    return [_pin(file, index, table) for index, table in enumerate(tables)]


def _pin(file: TomlFile, index: int, table: Any) -> Box:
    try:
        return typed_json.fit(table, Box)
    except ValueError as error:
        raise file.error(("crop", index), f"crop {index + 1}: {error}") from None


def pins(run_path: Path, images: Sequence[ImageInfo] = ()) -> list[Box]:
    """Return the boxes pinned for a run: the package's, and for the images named there those of the run folder.

    Raises
    ------
    ReportError, RunError
        When the run folder's file is no plain file, says something unusable, or has a box that does not lie in its
        picture, as far as that is one of `images`.
    """
    ours = read_pins(resources.files("isorate.reports").joinpath("crops.toml").read_text("utf-8"), "crops.toml")
    own_file = inside(run_path, PINS_IN_RUN)
    if not own_file.exists():
        return ours
    check_plain(own_file, LARGEST_SETTINGS)
    try:
        own = _pins(TomlFile.read(own_file))
    except UsageError as error:
        raise ReportError(str(error)) from None
    sizes = {image.name: (image.width, image.height) for image in images if image.width}
    for box in own:
        if box.image in sizes and not box.fits(*sizes[box.image]):
            width, height = sizes[box.image]
            raise ReportError(
                f"{own_file}: crop {box.name} (x {box.x}, y {box.y}, {box.width} × {box.height}) does not lie in "
                f"{box.image}, which has {width} × {height} pixels; correct it there, and in isorate.toml "
                "where it comes from that, or remove it"
            )
    named = {box.image for box in own}
    return own + [box for box in ours if box.image not in named]


def boxes(
    comparison: Comparison, image: ImageInfo, pinned: Sequence[Box], frames: Sequence[Image], count: int = 2
) -> list[Box]:
    """Return the boxes of one image: those pinned that fit, or `count` proposals; none of those without an original.

    Parameters
    ----------
    comparison
        The run.
    image
        The image.
    pinned
        What :func:`pins` gave. A box that does not fit belongs to another picture of the same name and is left out.
    frames
        The decoded images of one operating point; see :func:`propose`.
    count
        How many boxes are proposed.
    """
    mine = [box for box in pinned if box.image == image.name and box.fits(image.width, image.height)]
    if mine or (original := comparison.original(image.name)) is None:
        return mine
    return propose(image.name, original, frames, count)


def propose(name: str, original: Image, frames: Sequence[Image], count: int = 2) -> list[Box]:
    """Return non-overlapping boxes on structure where the two best frames differ; see :mod:`isorate.reports.places`."""
    from isorate.reports.places import places  # which loads SciPy, while pins are needed by commands that draw nothing

    height, width = original.shape[:2]
    # The supplementary's 128 x 96 at 768 x 512, and the same share of larger and smaller pictures.
    side = math.sqrt(width * height / (768 * 512)) * 128
    box_w = min(width, max(32, min(256, round(side / 16) * 16)))
    box_h = min(height, box_w * 3 // 4 or 1)
    zoom = max(1, 256 // box_w)
    corners = places(original, frames, box_w, box_h, count)
    return [Box(str(index), name, x, y, box_w, box_h, zoom) for index, (x, y) in enumerate(corners, 1)]
