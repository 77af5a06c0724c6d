"""A run as a reader sees it: images down, codecs across, one operating point at a time."""

from collections.abc import Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

from isorate.errors import ReportError, RunError
from isorate.image import Image
from isorate.reports import colours
from isorate.runs.aim import Aim
from isorate.runs.folder import Run
from isorate.runs.manifest import Manifest
from isorate.runs.point import AnchorPoint
from isorate.runs.row import ANCHOR, Row

GROUND_TRUTH = "Ground truth"


@dataclass(frozen=True, slots=True)
class Column:
    """One codec of the comparison; `colour` is its number in :mod:`isorate.reports.colours`."""

    codec: str
    label: str
    anchor: bool
    colour: int = 0


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """One image of the comparison.

    `lossy` says that its source file was itself lossy, `notes` what was done to it before it was compared.
    """

    name: str
    width: int
    height: int
    sha256: str
    lossy: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """The cells that share an operating point, so that their mean over images means something.

    Attributes
    ----------
    label
        What a reader sees: the point's name, or its rank where every image has its own points.
    point_of
        The point of each image at this level.
    pictures
        Whether the run keeps decoded pictures there.
    words
        The same in a sentence: ``at quality 20 of JPEG``.
    """

    label: str
    point_of: dict[str, str]
    pictures: bool = True
    words: str = ""


class Comparison:
    """The cells of a run, indexed; columns start with the anchor and keep the run's order.

    Parameters
    ----------
    run
        The run, or its folder.

    Attributes
    ----------
    run
        The run.
    unfinished
        How many of the run's planned rows are there, or None when all are.
    lost
        What :meth:`decoded` and :meth:`original` could not read until now: why, by the picture's place.

    Raises
    ------
    ReportError
        When the run holds no rows at all.
    """

    def __init__(self, run: Run | Path | str) -> None:
        run = Run.of(run)
        self.run = run
        self.manifest = run.manifest
        self._aim = run.manifest.aim
        self.rows: list[Row] = run.rows()
        if not self.rows:
            raise ReportError(f"{run.path}: the run holds no rows yet; start or continue it with `isorate run`")
        self._cells = {row.key: row for row in self.rows}
        self.unfinished = self.manifest.unfinished(self._cells)
        self.lost: dict[str, str] = {}
        self.columns = _columns(self.rows, self.manifest)
        self._labels = {column.codec: column.label for column in self.columns}
        self.images = _images(self.rows, self.manifest)
        self._points = _points(self.rows)
        self._levels = self._make_levels()

    @property
    def title(self) -> str:
        """The run's title."""
        return self.manifest.title or f"Image codecs at equal {'file size' if self.aim.of_size else self.aim.label}"

    @property
    def dataset(self) -> str:
        """The data set's name for a reader."""
        return self.manifest.dataset.title or self.manifest.dataset.name or "images"

    @property
    def aim(self) -> Aim:
        """What the codecs were driven to, and the residual that the run accepted as matched."""
        return self._aim

    @property
    def anchor(self) -> Column | None:
        """The column whose files set the rates, or the quality; None where its rows are missing."""
        return next((column for column in self.columns if column.anchor), None)

    def check_images(self, names: Sequence[str]) -> None:
        """Raise unless the run has every one of these images.

        Raises
        ------
        ReportError
            When one is not among them.
        """
        known = [image.name for image in self.images]
        if unknown := sorted(set(names) - set(known)):
            raise ReportError(f"{self.run.path}: has no images {', '.join(unknown)}; it has {', '.join(known)}")

    def cell(self, image: str, point: str, codec: str) -> Row | None:
        """Return the row of one cell, or None where the run has none (unfinished)."""
        return self._cells.get((image, point, codec))

    def decoded(self, row: Row | None) -> Image | None:
        """Return the pixels of a cell; None where there is none, it failed, or its picture is lost."""
        if row is None or not row.ok:
            return None
        try:
            return self.run.decoded(row)
        except RunError as error:
            self.lost[f"{row.image}, {self._labels[row.codec]}, {row.point}"] = str(error)
            return None

    def decoded_neighbour(self, row: Row | None) -> bool:
        """Whether the picture of a cell's neighbour can be shown; one that is lost is noted as :meth:`decoded` does."""
        if row is None or not row.ok or row.neighbour is None or not row.neighbour.decoded:
            return False
        try:
            self.run.decoded_neighbour(row)
        except RunError as error:
            self.lost[f"{row.image}, {self._labels[row.codec]}, {row.point}, the neighbour"] = str(error)
            return False
        return True

    def original(self, image: str) -> Image | None:
        """Return an image's own pixels; None where the run could not read it, keeps none, or its copy is lost."""
        if not self.manifest.keep.pictures:
            return None
        try:
            return self.run.original(image)
        except RunError as error:
            self.lost[f"{image}, the original"] = str(error)
            return None

    def row_line(self, image: str, point: str) -> list[Row | None]:
        """Return the cells of one image at one point, in the columns' order."""
        return [self.cell(image, point, column.codec) for column in self.columns]

    def points(self, image: str) -> list[str]:
        """Return the operating points of an image, from the lowest rate to the highest."""
        return self._points.get(image, [])

    def pictured(self, image: str) -> list[str]:
        """Return the operating points of an image whose pictures the run keeps, from the lowest rate to the highest."""
        return [point for point in self.points(image) if self.manifest.keeps_pictures(point)]

    def point_words(self, name: str) -> str:
        """Return an operating point as a reader understands it; the name of an older manifest's."""
        points = (point for point in self.manifest.points if isinstance(point, AnchorPoint))
        point = next((some for some in points if some.name == name), None)
        if point is None:
            return name
        anchor = self.anchor.label if self.anchor else self.manifest.anchor
        if point.kind == "bpp":
            return f"{anchor} at {point.value:g} bits per pixel"
        if point.kind == "paper":
            return f"{anchor} at the rates of the paper's supplementary"
        if point.kind == "quality":
            return f"{anchor} at {self.aim.label} {point.value:g}"
        return f"{anchor} at {'λ' if point.knob == 'lmbda' else point.knob} {point.value:g}"

    def figures(self) -> Iterator[tuple[ImageInfo, str]]:
        """Iterate over every image and operating point."""
        for image in self.images:
            for point in self.points(image.name):
                yield image, point

    def levels(self) -> list[Level]:
        """Return the operating points over which means are taken.

        Where all images share their points, a level is a point. Where every image has as many points of its own
        (the anchor's knob was chosen per image), a level is the rank of the rate. Otherwise there is one level for
        each point's name, with the images that have it.
        """
        return self._levels

    def among(self, images: Collection[str]) -> "Comparison":
        """Return the comparison of some of its images alone; its levels are those of all."""
        part = copy(self)
        part.rows = [row for row in self.rows if row.image in images]
        part.images = [image for image in self.images if image.name in images]
        part._points = {image: points for image, points in self._points.items() if image in images}
        part._levels = [
            replace(level, point_of={image: point for image, point in level.point_of.items() if image in images})
            for level in self._levels
        ]
        return part

    def _make_levels(self) -> list[Level]:
        points = {image.name: self.points(image.name) for image in self.images}
        lists = list(points.values())
        if any(sorted(some) != sorted(lists[0]) for some in lists) and len({len(some) for some in lists}) == 1:
            count = len(lists[0])
            label = "every image at its own point" if count == 1 else "rate {} of {}"
            return [
                Level(
                    label.format(rank + 1, count), {image: some[rank] for image, some in points.items()},
                    words=label.format(rank + 1, count),
                )
                for rank in range(count)
            ]  # fmt: skip
        names = list(dict.fromkeys(point for some in lists for point in some))
        levels = [
            Level(
                name, {image: name for image, some in points.items() if name in some},
                self.manifest.keeps_pictures(name), self.point_words(name),
            )
            for name in names
        ]  # fmt: skip
        return sorted(levels, key=self._mean_rate)

    def at(self, level: Level, codec: str) -> list[Row]:
        """Return the rows of one codec at one level, in the images' order."""
        rows = (self.cell(image, point, codec) for image, point in level.point_of.items())
        return [row for row in rows if row is not None]

    def _mean_rate(self, level: Level) -> float:
        codec = self.columns[0].codec
        rates = [row.bpp for row in self.at(level, codec) if row.bpp is not None]
        return sum(rates) / len(rates) if rates else float("inf")


def _columns(rows: Sequence[Row], manifest: Manifest) -> list[Column]:
    anchors = {row.codec for row in rows if row.role == ANCHOR} or {manifest.anchor}
    order = manifest.codec_names
    labels = {row.codec: row.label or row.codec for row in rows}
    codecs = sorted(labels, key=lambda name: (name not in anchors, order.index(name) if name in order else len(order)))
    twice = {label for label in labels.values() if list(labels.values()).count(label) > 1}
    return [
        Column(name, f"{labels[name]} ({name})" if labels[name] in twice else labels[name], name in anchors, colour)
        for name, colour in zip(codecs, colours.numbers(codecs), strict=True)
    ]


def _points(rows: Sequence[Row]) -> dict[str, list[str]]:
    rates: dict[str, dict[str, float]] = {}
    for row in rows:
        of_image = rates.setdefault(row.image, {})
        of_image[row.point] = min(row.target_bpp or row.bpp or float("inf"), of_image.get(row.point, float("inf")))
    return {image: sorted(some, key=lambda point: (some[point], point)) for image, some in rates.items()}


def _images(rows: Sequence[Row], manifest: Manifest) -> list[ImageInfo]:
    entries = {image.name: image for image in manifest.dataset.images}
    found = {row.image: row for row in rows}
    order = [name for name in entries if name in found] + sorted(name for name in found if name not in entries)
    return [
        ImageInfo(
            name,
            (entries[name].width if name in entries else None) or found[name].width,
            (entries[name].height if name in entries else None) or found[name].height,
            found[name].image_sha256,
            entries[name].lossy if name in entries else False,
            entries[name].notes if name in entries else (),
        )
        for name in order
    ]
