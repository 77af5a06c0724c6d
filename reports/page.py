"""The page: one HTML file that opens from disk."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import accumulate, chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from isorate.errors import ReportError
from isorate.files.atomic import write_bytes
from isorate.reports import assets, bdrate, crops, curves, tables, text
from isorate.reports.asked_options import asked_options
from isorate.reports.classes import by_class, images_by_class
from isorate.reports.fairness import CHECKED, check
from isorate.reports.found import found, same_psnr
from isorate.reports.frames import Frames, crop, preview
from isorate.reports.in_order import in_order
from isorate.reports.measures import ALWAYS, MS_SSIM_DB, lines, measures
from isorate.reports.published import named
from isorate.reports.results import GROUND_TRUTH, Comparison, ImageInfo, Level
from isorate.reports.sample import SAMPLE, Sample, best_gaps, choose, from_the_middle, telling_first, with_room_for
from isorate.reports.spread import MANY, SHARES, Spread, spreads
from isorate.reports.summary import AVERAGING, at_equal, exclusions, summarize
from isorate.reports.templating import environment
from isorate.runs.aim import Aim
from isorate.runs.equal_rate import counts, log_share
from isorate.runs.folder import Run
from isorate.runs.manifest import ImageEntry, MetricEntry
from isorate.runs.row import Row

LISTED = 6
"""Images that a page shows below one another, as many as the paper's supplementary; of more it has an overview."""

HELD = 100
"""Images of which the page itself holds rows and text; of more they lie beside it, so that it opens at once."""

SHOWN_AT_FIRST = 8
"""Published curves that are drawn when the page opens; the rest are a tick away."""

CLASSES = 30
"""Classes of images whose results a page gives; of more, those with most images."""

NOT_KEPT = "a point for the curves, whose pictures the run does not keep"
NONE_KEPT = "the run keeps no pictures"
IN_FOLDER = "its pictures are in the folder that isorate report writes without --single-file"


def render(
    run: Run | Path | str,
    out: Path | str | None = None,
    *,
    single_file: bool = False,
    published: Path | str | None = None,
    sample: int = SAMPLE,
    images: Sequence[str] = (),
) -> Path:
    """Render a run's page and return the path of its ``index.html``.

    Parameters
    ----------
    run
        The run, or its folder.
    out
        The folder to write, by default ``RUN/report``.
    single_file
        Whether everything stands inside the page: the frames as previews where they are more than
        ``isorate.reports.frames.LOSSLESS_BUDGET`` bytes, and of as many images, then of as many operating points, as
        ``SINGLE_FILE_BUDGET`` has room for.
    published
        Curves to draw beside the run's own; see :func:`isorate.reports.published.named`.
    sample
        Of how many images the pictures are shown; see :func:`isorate.reports.sample.choose`. Numbers are always of all.
    images
        The names of those images, in place of a choice.

    Raises
    ------
    ReportError
        When the run holds no rows or none of such images, or a link in the run would lead the report out of it.
    RunError
        When it cannot be written.
    """
    comparison = Comparison(run)
    own = comparison.run.path / "report"
    folder = own if out is None else Path(out)
    if out is None and folder.is_symlink():
        raise ReportError(f"{folder}: is a link that leads out of the run; remove it, or name a folder with -o")
    frames = Frames(None if single_file else folder)
    shown = choose(comparison, sample, images)
    html = _html(comparison, shown, frames, named(published), inside_run=folder.resolve() == own.resolve())
    write_bytes(folder / "index.html", html.encode())
    return folder / "index.html"


def _html(
    comparison: Comparison, shown: Sample, frames: Frames, published: list[curves.Curve], *, inside_run: bool
) -> str:
    # Before the pictures, which have the room that it leaves.
    rows_csv = frames.add_text("rows.csv", tables.render(comparison, "csv"), "text/csv")
    shown, images, held = _images(comparison, shown, frames)
    levels = [replace(level, pictures=index in held) for index, level in enumerate(comparison.levels())]
    others = [column for column in comparison.columns if not column.anchor]
    more = comparison.manifest.more_metrics
    metrics = comparison.manifest.metric_labels
    rates = [(c, [bdrate.of_codec(comparison, c, metric) for metric in metrics]) for c in others]
    summaries = [(level, summarize(comparison, level)) for level in levels]
    # A page that is moved from its run could not find the streams.
    streams = "../" if inside_run and not frames.single_file else ""
    beside = len(images) > HELD and not frames.single_file
    distributions = [spreads(comparison, level) for level in levels] if len(comparison.images) > MANY else []
    averaged = curves.shared_images(comparison)
    data = _data(comparison, shown, images, published, frames, averaged) | _spread_data(distributions)
    if beside:
        _write_beside(comparison, images, data, streams, frames)
    template = environment().get_template("page.html.j2")
    return template.render(
        assets=assets,
        comparison=comparison,
        images=images,
        shown=shown,
        beside=beside,
        streams=streams,
        overview=len(images) > LISTED,
        levels=levels,
        more=more,
        start=_start(levels),
        summaries=summaries,
        found=[found(comparison, level, some) for level, some in summaries],
        same_psnr=same_psnr([(column, each[0]) for column, each in rates], comparison.anchor),
        typical=_typical(comparison, images),
        curves=published or len(levels) > 1,
        shares=SHARES,
        spreads=distributions,
        asked_options=asked_options(comparison),
        averaging=AVERAGING,
        at_equal=at_equal(comparison.aim),
        exclusions=exclusions,
        metric_labels=list(metrics.values()),
        rates=rates if any(rate.percent is not None for _, each in rates for rate in each) else [],
        classes=list(by_class(comparison, CLASSES)),
        more_classes=max(0, len(images_by_class(comparison)) - CLASSES),
        good_overlap=bdrate.GOOD_OVERLAP,
        checksums=_checksums(comparison, shown),
        findings=check(comparison),
        checked=CHECKED,
        published=published,
        averaged=averaged,
        curve_notes=curves.notes(comparison, averaged),
        shown_at_first=SHOWN_AT_FIRST,
        ground_truth=GROUND_TRUTH,
        crops_width=_crops_width(comparison, images),
        data=data,
        rows_csv=rows_csv,
        command=shlex.join(comparison.manifest.command),
        vendored=assets.vendored(),
    )


def _crops_width(comparison: Comparison, images: list[dict[str, Any]]) -> int:
    """Return the window's width that holds a line of crops at full zoom.

    Narrower windows show them a quarter smaller where the screen's own pixels are fine enough to keep all pixels of a
    crop equally wide; elsewhere the line scrolls.
    """
    widest: int = max((box.width * box.zoom for image in images for box in image["boxes"]), default=0)
    return (len(comparison.columns) + 1) * (widest + 5) + 126


def _start(levels: list[Level]) -> int:
    """Return the level that the page shows first: the lowest rate with pictures."""
    return next((index for index, level in enumerate(levels) if level.pictures), 0)


def _typical(comparison: Comparison, images: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return each level that has pictures, with the image that stands for it.

    That is the median one by what the best codec has before the anchor (PSNR; at equal quality fewer bytes), or the
    nearest to it that is shown with an original and a box.
    """
    found_ = []
    for index, level in enumerate(comparison.levels()):
        good = {
            image["info"].name: number
            for number, image in enumerate(images)
            if image["original"]
            and image["boxes"]
            and any(figure["level"] == index and figure["pictures"] for figure in image["figures"])
        }
        gaps = best_gaps(comparison, level) if level.pictures and good else {}
        if (name := next((name for name in from_the_middle(gaps) if name in good), None)) is not None:
            found_.append((index, good[name]))
    return found_


def _images(comparison: Comparison, shown: Sample, frames: Frames) -> tuple[Sample, list[dict[str, Any]], set[int]]:
    """Return the images that the page shows, what it shows of each, and the levels with pictures.

    The pixels are read in threads, and what was made of them is written in order, so that the bytes are always the
    same. A single file must know all of its pictures before it can tell which fit.
    """
    pinned = crops.pins(comparison.run.path, comparison.images)

    def make(image: ImageInfo) -> list[dict[str, Any]]:
        return list(_figures(comparison, image, pinned))

    made: Iterable[list[dict[str, Any]]]
    if frames.single_file:
        fitting = _fitting(telling_first(comparison, shown.images), make, frames.room)
        shown = with_room_for(comparison, shown, fitting)
        made = _with_fitting_points([fitting[image.name] for image in shown.images], frames.room)
    else:
        made = in_order(make, shown.images)
    images = [
        _image(comparison, frames, index, image, figures)
        for index, (image, figures) in enumerate(zip(shown.images, made, strict=True))
    ]
    return shown, images, {figure["level"] for image in images for figure in image["figures"] if figure["pictures"]}


def _fitting(
    images: Sequence[ImageInfo], make: Callable[[ImageInfo], list[dict[str, Any]]], room: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the figures of the first images that a single file holds with one point's pictures, and always of one."""
    found: dict[str, list[dict[str, Any]]] = {}
    total = 0
    for image, figures in zip(images, in_order(make, images), strict=False):
        lowest = next((figure for figure in sorted(figures, key=itemgetter("level")) if figure["pictures"]), None)
        if lowest is not None:
            total += _size(lowest) + len(lowest["original"] or b"")
            if found and total > room:
                break
        found[image.name] = figures
    return found


def _with_fitting_points(made: list[list[dict[str, Any]]], room: int) -> list[list[dict[str, Any]]]:
    """Return the images' figures without the pictures of those points for which a single file has no room."""
    held = _held([figure for figures in made for figure in figures], room)
    for figures in made:
        for figure in figures:
            if figure["pictures"] and figure["level"] not in held:
                figure |= {"without": IN_FOLDER, "pictures": False, "crops": []}
                figure["previews"] = figure["beside"] = [None] * len(figure["cells"])
    return made


def _held(figures: list[dict[str, Any]], room: int) -> set[int]:
    """Return the levels whose pictures a single file holds: as many as fit, and always one."""
    sizes: Counter[int] = Counter()
    for figure in figures:
        if figure["pictures"]:
            sizes[figure["level"]] += _size(figure)
    levels = sorted(sizes)
    totals = accumulate(sizes[level] for level in levels)
    return {level for level, total in zip(levels, totals, strict=True) if level == levels[0] or total <= room}


def _size(figure: dict[str, Any]) -> int:
    """Return the bytes of a figure's previews and crops."""
    return sum(len(data) for data in chain(figure["previews"], *figure["crops"]) if data is not None)


def _figures(comparison: Comparison, image: ImageInfo, pinned: list[crops.Box]) -> Iterator[dict[str, Any]]:
    """Iterate over an image's operating points: cells, boxes and the cut-out pixels of every column."""
    original, boxes = comparison.original(image.name), None
    small = None if original is None else preview(original)
    pictured = comparison.pictured(image.name)
    level_of = {level.point_of.get(image.name): index for index, level in enumerate(comparison.levels())}
    for point in comparison.points(image.name):
        cells = comparison.row_line(image.name, point)
        decoded = [comparison.decoded(row) if point in pictured else None for row in cells]
        if point in pictured:
            # The boxes of the lowest rate serve all rates: a reader follows one place from rate to rate.
            boxes = boxes or crops.boxes(comparison, image, pinned, [frame for frame in decoded if frame is not None])
        columns = [original, *decoded]
        yield {
            "point": point,
            "words": comparison.point_words(point),
            "pictures": point in pictured,
            "without": NOT_KEPT if comparison.manifest.keep.pictures else NONE_KEPT,
            "level": level_of[point],
            "cells": cells,
            "boxes": boxes or [],
            "original": small,
            "previews": [None if frame is None else preview(frame) for frame in decoded],
            "beside": [point in pictured and comparison.decoded_neighbour(row) for row in cells],
            "crops": [[None if frame is None else crop(box.of(frame)) for frame in columns] for box in boxes or []]
            if point in pictured
            else [],
            "lines": [
                lines(cells, measures(comparison.manifest, decibels=decibels), comparison.aim)
                for decibels in (False, True)
            ],
        }


def _image(
    comparison: Comparison, frames: Frames, index: int, image: ImageInfo, figures: list[dict[str, Any]]
) -> dict[str, Any]:
    run = comparison.run
    small = figures[0]["original"]
    for number, figure in enumerate(figures):
        figure["frames"] = [
            frames.add_frame(run.file(row.decoded), small) if row is not None and small else None
            for row, small in zip(figure["cells"], figure["previews"], strict=True)
        ]
        pairs = zip(figure["cells"], figure["beside"], strict=True)
        beside = [row.neighbour if row and there else None for row, there in pairs]
        figure["neighbours"] = [some and frames.add_frame(run.file(some.decoded), None) for some in beside]
        figure["crops"] = [
            [
                None if data is None else frames.add_crop(f"{index}-{number}-{line}-{column}", data)
                for column, data in enumerate(files)
            ]
            for line, files in enumerate(figure["crops"])
        ]
        del figure["previews"], figure["original"]
    original = frames.add_frame(run.original_file(image.name), small, "originals") if small else None
    boxes: list[crops.Box] = next((figure["boxes"] for figure in figures if figure["pictures"]), [])
    return {"info": image, "original": original, "boxes": boxes, "figures": figures}


def _checksums(comparison: Comparison, shown: Sample) -> Sequence[ImageEntry]:
    """Return the images of which the page prints the checksums: of many those that it shows."""
    entries = comparison.manifest.dataset.images
    names = {image.name for image in shown.images}
    return [entry for entry in entries if entry.name in names] if len(comparison.images) > len(names) else entries


def _write_beside(
    comparison: Comparison, images: list[dict[str, Any]], data: dict[str, Any], streams: str, frames: Frames
) -> None:
    """Write the images' rows and texts beside the page, in place of those in its data."""
    frames.add_script("images", data["images"])
    data["images"] = None
    article = environment().get_template("image.html.j2").module.article  # type: ignore[attr-defined]  # a macro
    for number, image in enumerate(images):
        text = article(data, comparison, GROUND_TRUTH, streams, number, image)
        frames.add_script(f"articles/{number}", text)


def _data(
    comparison: Comparison,
    shown: Sample,
    images: list[dict[str, Any]],
    published: list[curves.Curve],
    frames: Frames,
    averaged: Mapping[str, frozenset[str]],
) -> dict[str, Any]:
    """Return what the page's scripts work on."""
    more = comparison.manifest.more_metrics
    return {
        "title": comparison.title,
        "truth": GROUND_TRUTH,
        "tolerance": comparison.aim.tolerance,
        "ofSize": comparison.aim.of_size,
        "aimUnit": comparison.aim.unit,
        "atEqual": comparison.aim.words,
        "unfinished": comparison.unfinished and asdict(comparison.unfinished),
        "columns": [asdict(column) for column in comparison.columns],
        "levels": [level.label for level in comparison.levels()],
        "metrics": [
            {"key": f"more-{index}", "digits": entry.digits, "unit": f" {entry.quality_unit}".rstrip()}
            for index, entry in enumerate(more)
        ],
        "sampled": bool(shown.how),
        "images": [_image_data(image, more, comparison.aim) for image in images],
        "dataset": [
            _curve_data(curves.of_dataset(comparison, column, averaged), more) for column in comparison.columns
        ],
        "shownAtFirst": SHOWN_AT_FIRST,
        "published": [_curve_data(curve, more) for curve in published],
        "embedded": frames.embedded,
        "lossless": frames.lossless,
    }


def _spread_data(distributions: Sequence[Sequence[Spread]]) -> dict[str, Any]:
    """Return the distributions of each level for the scripts, where the page has them."""
    if not distributions:
        return {}
    return {"spreads": [[_one_spread(spread) for spread in level] for level in distributions]}


def _one_spread(spread: Spread) -> dict[str, Any]:
    lines = [
        {"codec": line.column.codec, "values": [round(value, spread.digits + 2) for value in line.quantiles]}
        for line in spread.lines
    ]
    return {"key": spread.key, "title": spread.title, "unit": spread.unit, "digits": spread.digits, "lines": lines}


def _image_data(image: dict[str, Any], more: Sequence[MetricEntry], aim: Aim) -> dict[str, Any]:
    info = image["info"]
    return {
        "name": info.name,
        "width": info.width,
        "height": info.height,
        "original": image["original"],
        "points": [
            {
                "name": f["point"],
                "level": f["level"],
                "pictures": f["pictures"],
                "cells": [
                    _cell_data(*some, more, aim) for some in zip(f["cells"], f["frames"], f["neighbours"], strict=True)
                ],
            }
            for f in image["figures"]
        ],
    }


def _cell_data(
    row: Row | None, frame: str | None, neighbour: str | None, more: Sequence[MetricEntry], aim: Aim
) -> dict[str, Any] | None:
    if row is None:
        return None
    data = {measure.name: measure.written(row) for measure in ALWAYS} | {"ms_ssim_db": MS_SSIM_DB.written(row)}
    return {
        "status": row.status,
        "frame": frame,
        "text": data,
        "bpp": row.bpp,
        "psnr": _finite(row.psnr),
        "ms_ssim": row.ms_ssim,
        "more": [_finite(None if (value := row.value(entry.name)) is None else entry.quality(value)) for entry in more],
        "compared": _compared(row, more, aim),
        "residual": _finite(row.residual),
        "target": row.target_bpp,
        "gaps": _gaps(row, aim),
        "knob": text.knob(row),
        "knobName": row.knob_name,
        "trace": row.trace,
        "neighbour": _neighbour_data(row, neighbour),
    }


def _compared(row: Row, more: Sequence[MetricEntry], aim: Aim) -> list[float | None]:
    """Return PSNR, MS-SSIM and further metrics on their quality scales, as they are compared; none without a value."""
    further = [(entry, counts(row, entry.name, aim.tolerance)) for entry in more]
    return [
        _finite(counts(row, "psnr", aim.tolerance)),
        counts(row, "ms_ssim", aim.tolerance),
        *(_finite(None if value is None else entry.quality(value)) for entry, value in further),
    ]


def _gaps(row: Row, aim: Aim) -> list[float | None] | None:
    """Return how far each probe's quality was from the target, on the scale of its curves; None at equal rate."""
    if row.quality is None:
        return None
    target = aim.height(row.quality.target)
    return [None if value is None else aim.height(value) - target for value in row.quality.trace]


def _neighbour_data(row: Row, frame: str | None) -> dict[str, Any] | None:
    """Return the picture on the other side of the rate, and where the rate lies between the two in log rate."""
    beside = row.neighbour
    if beside is None or frame is None or row.target_bpp is None:
        return None
    pixels = row.width * row.height
    share = log_share(row, beside, row.target_bpp * pixels / 8)
    return None if share is None else {"frame": frame, "bpp": 8 * beside.num_bytes / pixels, "share": share}


def _curve_data(curve: curves.Curve, more: Sequence[MetricEntry]) -> dict[str, Any]:
    points = [
        [p.bpp, _finite(p.psnr), p.ms_ssim, p.point, *(_finite(p.quality(entry.name)) for entry in more)]
        for p in curve.points
    ]
    return {"name": curve.name, "source": curve.source, "points": points}


def _finite(value: float | None) -> float | None:
    """Return None for an infinite value, which JSON cannot hold and a plot cannot show."""
    return None if value is None or value in (float("inf"), float("-inf")) else value
