"""Figures for papers: magnified crops side by side, the full images with their boxes, rate-distortion plots."""

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image as PillowImage

from isorate.errors import ReportError
from isorate.image import Image
from isorate.reports import crops, curves, paper, text
from isorate.reports import measures as measured
from isorate.reports.paper import printable
from isorate.reports.published import named
from isorate.reports.results import GROUND_TRUTH, Comparison, ImageInfo
from isorate.reports.summary import similarity_db
from isorate.runs.folder import Run
from isorate.runs.paths import safe_name

PAGE_WIDTH = 6.75
"""Inches: the text of a page in the usual two-column styles; a column has 3.25."""

PAGE_HEIGHT = 8.0
"""Inches: what a figure may take of a page's height beside its caption."""

FORMATS = ("pdf", "png")

RD_METRICS = {"psnr": "PSNR (dB)", "ms_ssim": "MS-SSIM", "ms_ssim_db": "MS-SSIM (dB)"}
"""What is drawn over rate, with the axis's label; MS-SSIM in dB is ``-10 log10(1 - MS-SSIM)`` of the curve's value."""

_GAP = 0.03
_LEGEND_INSIDE = 6


def render(
    run: Run | Path | str,
    out: Path | str,
    *,
    images: Sequence[str] | None = None,
    width: float = PAGE_WIDTH,
    formats: Sequence[str] = FORMATS,
    dpi: int = 300,
    style: str | None = None,
    published: Path | str | None = None,
) -> list[Path]:
    """Write a run's figures and return their paths; see :func:`draw`."""
    return draw(
        Comparison(run), Path(out), images=images, width=width, formats=formats, dpi=dpi, style=style,
        published=published,
    )  # fmt: skip


def draw(
    comparison: Comparison,
    out: Path,
    *,
    images: Sequence[str] | None = None,
    width: float = PAGE_WIDTH,
    formats: Sequence[str] = FORMATS,
    dpi: int = 300,
    style: str | None = None,
    published: Path | str | None = None,
) -> list[Path]:
    """Write the figures of a comparison and return their paths; its `lost` then says which pictures they lack.

    Parameters
    ----------
    comparison
        The run.
    out
        The folder to write.
    images
        Which images; all by default.
    width
        Width of a figure in inches.
    formats
        File types: ``pdf`` (vector text, embedded fonts), ``png``.
    dpi
        Resolution of PNG files and of the full images.
    style
        A bundle of tueplots, such as ``neurips2024``.
    published
        Curves to draw beside the run's own; see :func:`isorate.reports.published.named`.

    Raises
    ------
    ReportError
        When an image, a format or the style is unknown, a size is outside its limits, or `out` cannot be written.
    """
    known = {image.name: image for image in comparison.images}
    comparison.check_images(images or [])
    if not set(formats) <= set(FORMATS):
        raise ReportError(f"figures need formats among {', '.join(FORMATS)}; got {formats}")
    paper.check("width", width, paper.WIDTHS)
    paper.check("dpi", dpi, paper.RESOLUTIONS)
    chosen = [known[name] for name in images] if images else comparison.images
    pinned = crops.pins(comparison.run.path, comparison.images)
    made: list[Path] = []
    try:
        with paper.style(style):
            places = []
            for image in chosen:
                boxes: list[crops.Box] = []
                for point, columns, boxes in pictured(comparison, image, pinned):
                    figure = crop_figure(comparison, image, point, boxes, columns, width)
                    place = f"{safe_name(image.name)}-{safe_name(point)}"
                    made += paper.save(figure, out / f"crops-{place}", formats, dpi)
                    if image.width:  # of what nobody could read, there is no size
                        figure = whole_figure(comparison, image, point, boxes, columns, width, dpi)
                        made += paper.save(figure, out / f"whole-{place}", formats, dpi)
                if comparison.original(image.name) is not None:
                    places.append((image, boxes))
            if places:
                made += paper.save(full_figure(comparison, places, width, dpi), out / "full", formats, dpi)
            others = named(published)
            for metric in rd_metrics(comparison):
                made += paper.save(rd_figure(comparison, metric, others, width), out / f"rd-{metric}", formats, dpi)
    except OSError as error:
        raise ReportError(f"{out}: cannot be written: {error.strerror}; choose a folder with room and rights") from None
    return made


def pictured(
    comparison: Comparison, image: ImageInfo, pinned: Sequence[crops.Box]
) -> Iterator[tuple[str, list[Image | None], list[crops.Box]]]:
    """Give an image's operating points with pictures: the original and every codec's pixels, and the boxes in them.

    Pixels are None where a cell failed or its picture is lost. The boxes of the lowest rate serve all rates.
    """
    boxes: list[crops.Box] = []
    for point in comparison.pictured(image.name):
        decoded = [comparison.decoded(row) for row in comparison.row_line(image.name, point)]
        boxes = boxes or crops.boxes(comparison, image, pinned, [frame for frame in decoded if frame is not None])
        yield point, [comparison.original(image.name), *decoded], boxes


def crop_figure(
    comparison: Comparison,
    image: ImageInfo,
    point: str,
    boxes: Sequence[crops.Box],
    columns: Sequence[Image | None],
    width: float,
) -> Figure:
    """Return the supplementary's figure: the same crops from every codec over what was measured, the best bold."""
    rows = comparison.row_line(image.name, point)
    cell = (width - _GAP * len(columns)) / (len(columns) + 0.55)
    left = width - len(columns) * (cell + _GAP)
    size = min(8.0, max(4.5, cell * 72 / 9.5))
    line = size * 1.35 / 72
    heights = [cell * box.height / box.width for box in boxes]
    values = measured.lines(rows, measured.measures(comparison.manifest), comparison.aim)
    height = line * (len(values) + 1.3) + sum(heights) + _GAP * len(boxes)
    figure = Figure(figsize=(width, height))

    def write(x: float, y: float, label: str, **how: object) -> None:
        style = {"ha": "center", "va": "center", "size": size, "parse_math": False, **how}
        figure.text(x / width, 1 - y / height, label, **style)  # type: ignore[arg-type]

    for at, name in enumerate([GROUND_TRUTH, *(column.label for column in comparison.columns)]):
        middle = left + at * (cell + _GAP) + cell / 2
        write(middle, line * 0.55, printable(name, max(4, int(cell * 72 / size * 2))))
        y = line * 1.15
        for box, tall in zip(boxes, heights, strict=True):
            axes = figure.add_axes(((middle - cell / 2) / width, 1 - (y + tall) / height, cell / width, tall / height))
            _show(axes, columns[at], box, text.missing(rows[at - 1]) if at else "no original")
            if at == 0:
                lines = textwrap.wrap(printable(box.name, 60), max(3, int(left * 72 / size * 2) - 2))
                write(0, y + tall / 2, "\n".join(lines[:4]), ha="left")
            y += tall + _GAP
        for measure in values:
            y += line
            if at == 0:
                title = measure.title.replace(comparison.aim.words, "≈")
                write(0, y - line / 2, printable(title, max(4, int(left * 72 / size * 2))), ha="left")
                continue
            value, place = measure.values[at - 1]
            write(middle, y - line / 2, value, weight="bold" if place == 1 else "normal")
    return figure


def _show(axes: Axes, frame: Image | None, box: crops.Box, missing: str) -> None:
    axes.set_axis_off()
    if frame is None:
        axes.text(0.5, 0.5, missing, ha="center", va="center", color="0.4")
        return
    # Repeated pixels stay pixels in every viewer; left to themselves, viewers smooth an enlarged picture.
    pixels = box.of(frame).repeat(box.zoom, axis=0).repeat(box.zoom, axis=1)
    axes.imshow(pixels, interpolation="none", aspect="auto", resample=False)


def full_figure(
    comparison: Comparison, places: Sequence[tuple[ImageInfo, Sequence[crops.Box]]], width: float, dpi: int
) -> Figure:
    """Return the originals with an orange box around every crop, in rows of one height."""
    lines = _justify([image.width / image.height for image, _ in places], width)
    label = 0.16
    height = sum(tall + label + _GAP for tall, _ in lines)
    figure, y, rest = Figure(figsize=(width, height)), 0.0, iter(places)
    for tall, count in lines:
        x = 0.0
        for _ in range(count):
            image, boxes = next(rest)
            wide = tall * image.width / image.height
            axes = figure.add_axes((x / width, 1 - (y + tall) / height, wide / width, tall / height))
            _show_whole(axes, comparison.run.original(image.name), boxes, wide, dpi)
            name = printable(image.name, max(6, int(wide * 18)))
            figure.text(
                (x + wide / 2) / width,
                1 - (y + tall + label / 2) / height,
                name,
                ha="center",
                va="center",
                size=7,
                parse_math=False,
            )
            x += wide + _GAP
        y += tall + label + _GAP
    return figure


def _show_whole(axes: Axes, frame: Image, boxes: Sequence[crops.Box], wide: float, dpi: int) -> None:
    """Show a whole picture, `wide` inches wide, with an orange box around every crop and its name beside it."""
    axes.set_axis_off()
    height, width = frame.shape[:2]
    # Sized as it is printed: a page of two dozen full frames would be tens of megabytes.
    scale = min(1.0, wide * dpi / width)
    size = math.ceil(width * scale), math.ceil(height * scale)
    small = PillowImage.fromarray(frame).resize(size, PillowImage.Resampling.LANCZOS) if scale < 1 else frame
    axes.imshow(np.asarray(small), extent=(0, width, height, 0), aspect="auto", interpolation="none")
    for box in boxes:
        axes.add_patch(
            Rectangle((box.x, box.y), box.width, box.height, fill=False, edgecolor=paper.ORANGE, linewidth=1)
        )
        above = box.y > height / 12
        name = axes.annotate(
            printable(box.name, 20), (box.x, box.y if above else box.y + box.height), (0, 2 if above else -2),
            textcoords="offset points", va="bottom" if above else "top", size=6, color=paper.ORANGE, weight="bold",
            parse_math=False,
        )  # fmt: skip
        name.set_path_effects([withStroke(linewidth=1.2, foreground="black")])


def whole_figure(
    comparison: Comparison,
    image: ImageInfo,
    point: str,
    boxes: Sequence[crops.Box],
    columns: Sequence[Image | None],
    width: float,
    dpi: int,
    tallest: float = PAGE_HEIGHT,
) -> Figure:
    """Return the supplementary's other figure: the whole picture of every codec over its BPP, PSNR and MS-SSIM."""
    labels = [GROUND_TRUTH, *(column.label for column in comparison.columns)]
    rows = comparison.row_line(image.name, point)
    across, label = whole_across(image, len(labels), width, tallest), 0.33
    wide = (width - _GAP * (across - 1)) / across
    tall = wide * image.height / image.width
    height = math.ceil(len(labels) / across) * (tall + label)
    figure = Figure(figsize=(width, height))
    for at, (name, frame) in enumerate(zip(labels, columns, strict=True)):
        down, right = divmod(at, across)
        x, y = right * (wide + _GAP), down * (tall + label)
        axes = figure.add_axes((x / width, 1 - (y + tall) / height, wide / width, tall / height))
        if frame is None:
            axes.set_axis_off()
            axes.text(0.5, 0.5, text.missing(rows[at - 1]) if at else "no original", ha="center", color="0.4")
        else:
            _show_whole(axes, frame, boxes, wide, dpi)
        lines = [(printable(name, max(6, int(wide * 16))), 0.09, "bold")]
        if at:
            lines.append((measured.figures(rows[at - 1]), 0.22, "normal"))
        for words, below, weight in lines:
            place = (x + wide / 2) / width, 1 - (y + tall + below) / height
            figure.text(*place, words, ha="center", va="center", size=7, weight=weight, parse_math=False)
    return figure


def whole_across(image: ImageInfo, count: int, width: float, tallest: float) -> int:
    """Return how many of `count` whole pictures stand side by side: the fewest that leave the figure that tall."""
    ratio = image.height / image.width
    return next((n for n in range(2, count) if math.ceil(count / n) * (width / n * ratio + 0.33) <= tallest), count)


def _justify(ratios: Sequence[float], width: float) -> list[tuple[float, int]]:
    """Break pictures of these shapes into lines that fill `width`; return each line's height and count."""
    wanted = width / (6 if len(ratios) > 12 else 4) if len(ratios) > 1 else width / 2
    lines: list[tuple[float, int]] = []
    line: list[float] = []
    for ratio in ratios:
        line.append(ratio)
        tall = (width - _GAP * (len(line) - 1)) / sum(line)
        if tall <= wanted:
            lines.append((tall, len(line)))
            line = []
    if line:
        # A last line that is not full grows to the full width only while it stays about as tall as the others.
        fill = (width - _GAP * (len(line) - 1)) / sum(line)
        usual = lines[-1][0] if lines else wanted
        lines.append((fill if fill <= 1.35 * usual else usual, len(line)))
    return lines


class _NotebookFigure(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=150)
        return out.getvalue()


def plot(
    comparison: Comparison,
    metric: str,
    *,
    image: str | None = None,
    published: Path | str | None = None,
    width: float = PAGE_WIDTH,
) -> Figure:
    """Return the rate-distortion plot of a comparison, in the style of the figures for paper.

    Parameters
    ----------
    comparison
        The run.
    metric
        ``psnr``, ``ms_ssim``, ``ms_ssim_db`` or a further metric of the run.
    image
        One image; by default the means over all.
    published
        Curves to draw beside the run's own; see :func:`isorate.reports.published.named`.
    width
        Inches.

    Raises
    ------
    ReportError
        When `metric` is another, or the run has no such image.
    """
    if metric not in rd_metrics(comparison):
        raise ReportError(f"metric {metric!r}: use one of {', '.join(rd_metrics(comparison))}")
    own = None if image is None else curves.of_run(comparison, image)
    others = named(published)
    with paper.style(None):
        return rd_figure(comparison, metric, others, width, own)


def rd_metrics(comparison: Comparison) -> dict[str, str]:
    """Return what is drawn over rate, with the axis's label: PSNR, MS-SSIM, and the run's further metrics."""
    return RD_METRICS | {entry.name: entry.quality_title for entry in comparison.manifest.more_metrics}


def rd_figure(
    comparison: Comparison,
    metric: str,
    published: Sequence[curves.Curve],
    width: float,
    own: Sequence[curves.Curve] | None = None,
) -> Figure:
    """Return a rate-distortion plot of the data set, or of the curves `own`; what others published is dashed."""
    notes = [str(comparison.unfinished)] if comparison.unfinished else []
    if own is None:
        images = curves.shared_images(comparison)
        own = [curves.of_dataset(comparison, column, images) for column in comparison.columns]
        over = curves.over(comparison, images[metric if metric in images else "ms_ssim"])
        notes += [over] if over else []
    right = 1.25 * max((point.bpp for curve in own for point in curve.points), default=1.0)
    lines = [(curve, paper.own_line(column.colour)) for column, curve in zip(comparison.columns, own, strict=True)]
    lines += [(_until(curve, right), paper.published_line(at)) for at, curve in enumerate(published)]
    lines = [(curve, look) for curve, look in lines if _values(curve, metric)]
    many = len(lines) > _LEGEND_INSIDE
    below = 0.107 * math.ceil(len(lines) / max(1, int(width / 2))) + 0.1 if many else 0.0
    height = width * 0.62 + below
    figure = _NotebookFigure(figsize=(width, height))
    axes = figure.add_axes((0.5 / width, (0.42 + below) / height, 1 - 0.56 / width, 1 - (0.48 + below) / height))
    for curve, look in lines:
        name = printable(f"{curve.name} (published)" if curve.source else curve.name, 60).replace("$", r"\$")
        axes.plot(*zip(*_values(curve, metric), strict=True), label=name, **look)
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(printable(rd_metrics(comparison)[metric], 60), parse_math=False)
    axes.set_xlim(0, right)
    axes.grid(linewidth=0.3, color="0.85")
    axes.set_axisbelow(True)
    if notes:
        axes.text(0.01, 0.985, "\n".join(notes), transform=axes.transAxes, va="top", size=6, color="0.4")
    if many:
        figure.legend(loc="lower center", ncols=max(1, int(width / 2)), fontsize=5.5, borderaxespad=0.2)
    elif lines:
        axes.legend(loc="lower right")
    return figure


def _until(curve: curves.Curve, rate: float) -> curves.Curve:
    """Return the part of a published curve beside the run's own; the rest would only press those together."""
    return replace(curve, points=tuple(point for point in curve.points if point.bpp <= rate))


def _values(curve: curves.Curve, metric: str) -> list[tuple[float, float]]:
    points = [(point.bpp, _value(point, metric)) for point in curve.points]
    return [(bpp, value) for bpp, value in points if value is not None and math.isfinite(value)]


def _value(point: curves.CurvePoint, metric: str) -> float | None:
    if metric == "ms_ssim_db":
        return similarity_db(point.ms_ssim)
    return point.quality(metric)
