"""A run as a paper's supplementary shows it: LaTeX with whole pictures, magnified crops, and the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from isorate.errors import ReportError
from isorate.files.atomic import write_bytes
from isorate.reports import crops, figures, latex, paper
from isorate.reports.results import Comparison, ImageInfo
from isorate.runs.folder import Run
from isorate.runs.paths import inside

NAME = "supplement.tex"
WIDTH, HEIGHT = 6.5, 9.4
"""Inches of text on the page that is set here."""
CAPTIONS, HEADING = 1.1, 0.5
"""Inches of a page that two captions take, and of the first the section's heading."""
NARROWEST = 1.25
"""Inches below which whole pictures do not shrink to leave the crops room on their page."""

_HEAD = r"""% Compile with: pdflatex supplement.tex (twice, for the references)
\documentclass{article}
\usepackage[margin=1in,vmargin=0.8in]{geometry}
"""
_BODY = r"""\begin{document}
\appendix
\setcounter{section}{1}
\section{More examples}
"""


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two figures of an image at one point, by their files' name, and what interpolated values are called.

    On one page where the whole pictures stay large enough.
    """

    stem: str
    image: ImageInfo
    words: str
    boxes: Sequence[crops.Box]
    words_apart: str
    one_page: bool


def write(
    run: Run | Path | str, out: Path | str | None = None, *, images: Sequence[str] | None = None, dpi: int = 200
) -> Path:
    """Write the LaTeX of a run's supplementary with its figures, and return its path.

    Each image has its whole pictures, of the original and of every codec, over BPP, PSNR and MS-SSIM, and the crops of
    the boxes in them; then comes the table of every image.

    Parameters
    ----------
    run
        The run, or its folder.
    out
        The folder to write; ``RUN/supplement`` by default.
    images
        Which images have figures; by default those with pinned boxes, as the six of the supplementary have on Kodak,
        or all where none has.
    dpi
        Resolution of the whole pictures.

    Raises
    ------
    ReportError
        When the run has no rows, no such image or no pictures, the resolution is outside its limits, or the folder
        cannot be written.
    RunError
        When the default folder is a link that leads out of the run.
    """
    comparison = Comparison(run)
    comparison.check_images(images or [])
    paper.check("dpi", dpi, paper.RESOLUTIONS)
    folder = inside(comparison.run.path, "supplement") if out is None else Path(out)
    pinned = crops.pins(comparison.run.path, comparison.images)
    try:
        with paper.style(None):
            pairs = [
                pair
                for at, image in enumerate(_chosen(comparison, images, pinned))
                for pair in _draw(comparison, image, pinned, folder, dpi, HEIGHT - CAPTIONS - (0 if at else HEADING))
            ]
    except OSError as error:
        reason = f"cannot be written: {error.strerror}; choose a folder with room and rights"
        raise ReportError(f"{folder}: {reason}") from None
    if not pairs:
        why = comparison.manifest.keep.without_pictures or "keeps no pictures of these images"
        raise ReportError(f"{comparison.run.path}: there are no figures: {why}")
    tables = latex.render(comparison, document=False)
    text = f"{_HEAD}{latex.PACKAGES}{_BODY}{''.join(map(_figures, pairs))}\\clearpage\n{tables}\\end{{document}}\n"
    write_bytes(folder / NAME, text.encode())
    return folder / NAME


def _chosen(comparison: Comparison, names: Sequence[str] | None, pinned: Sequence[crops.Box]) -> list[ImageInfo]:
    if names:
        return [image for image in comparison.images if image.name in names]
    with_pins = {box.image for box in pinned}
    return [image for image in comparison.images if image.name in with_pins] or comparison.images


def _draw(
    comparison: Comparison, image: ImageInfo, pinned: Sequence[crops.Box], folder: Path, dpi: int, height: float
) -> list[_Pair]:
    """Write an image's figures; `height` is what a page has for them, in inches."""
    words = {level.point_of.get(image.name): level.words for level in comparison.levels()}
    made: list[_Pair] = []
    if not image.width:  # nobody could read it
        return made
    for point, columns, boxes in figures.pictured(comparison, image, pinned):
        stem = f"{comparison.images.index(image) + 1:04}-{len(made) + 1}"
        room, one_page = figures.PAGE_HEIGHT, False
        if boxes:
            cut = figures.crop_figure(comparison, image, point, boxes, columns, WIDTH)
            paper.save(cut, folder / f"{stem}-crops", ["pdf"], dpi)
            left = height - cut.get_size_inches()[1]
            one_page = WIDTH / figures.whole_across(image, len(columns), WIDTH, left) >= NARROWEST
            room = left if one_page else room
        whole = figures.whole_figure(comparison, image, point, boxes, columns, WIDTH, dpi, room)
        paper.save(whole, folder / f"{stem}-whole", ["pdf"], dpi)
        apart = any(row is not None and row.equal for row in comparison.row_line(image.name, point))
        made.append(_Pair(stem, image, words[point], boxes, comparison.aim.words if apart else "", one_page))
    return made


def _figures(pair: _Pair) -> str:
    name = latex.escape(pair.image.name)
    size = f"${pair.image.width} \\times {pair.image.height}$"
    whole = (
        f"{name} ({size}; {latex.escape(pair.words)}): the original, and what every codec's file decodes to; "
        "under each BPP, PSNR in dB, and MS-SSIM."
    )
    if not pair.boxes:
        return _float(_figure(pair.stem, "whole", whole))
    zooms = sorted({box.zoom for box in pair.boxes})
    zoom = f", magnified {' and '.join(map(str, zooms))} times" if zooms != [1] else ""
    apart = (
        rf" $\approx$: {latex.escape(pair.words_apart)}, interpolated in log rate between the codec's files below and "
        "above it."
        if pair.words_apart
        else ""
    )
    cut = f"The boxes of Figure~\\ref{{{pair.stem}-whole}} ({name}){zoom}. Best value bold, compared as printed.{apart}"
    parts = [
        _figure(pair.stem, "whole", f"{whole} The boxes are magnified in Figure~\\ref{{{pair.stem}-crops}}."),
        _figure(pair.stem, "crops", cut),
    ]
    return (_float("\\bigskip\n".join(parts)) if pair.one_page else "".join(map(_float, parts))) + "\\clearpage\n"


def _figure(stem: str, kind: str, caption: str) -> str:
    return (
        f"\\includegraphics[width=\\textwidth]{{{stem}-{kind}.pdf}}\n\\caption{{{caption}}}\n\\label{{{stem}-{kind}}}\n"
    )


def _float(content: str) -> str:
    return f"\\begin{{figure}}[!htbp]\n\\centering\n{content}\\end{{figure}}\n"
