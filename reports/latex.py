"""Tables for LaTeX: images by codecs as in the paper's supplementary, numbers aligned by siunitx."""

from collections.abc import Sequence

from isorate.errors import ReportError
from isorate.reports.asked_options import asked_options
from isorate.reports.measures import Measure, further, measures
from isorate.reports.results import Comparison, Level
from isorate.reports.summary import CodecSummary, exclusions, summarize
from isorate.reports.text import DASH, MINUS, number
from isorate.runs.aim import Aim
from isorate.runs.equal_rate import Basis, basis
from isorate.runs.row import Row

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''",
    "–": r"\textendash{}", "−": "$-$", "∞": r"$\infty$", "λ": r"$\lambda$", "Δ": r"$\Delta$", "×": r"$\times$",
}  # fmt: skip
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŁłŒœŠšŽžČčŘř"
"""Letters that TeX's oldest fonts have: the tables need no font package."""


def escape(text: str) -> str:
    r"""Return `text` for LaTeX; characters that no default font has are spelled ``[U+4E2D]``, so that it compiles.

    >>> escape("a_b & 50%")
    'a\\_b \\& 50\\%'
    """
    escaped = "".join(_SPECIAL.get(char) or _plain(char) for char in text)
    return escaped.replace("--", "-{}-")  # two hyphens would become a dash


def _plain(char: str) -> str:
    if char.isascii():
        return char if char.isprintable() else " "
    return char if char in _LETTERS else f"[U+{ord(char):04X}]"


def render(comparison: Comparison, *, residual: bool = False, document: bool = True, columns: int = 2) -> str:
    """Return one table for each operating point with pictures: the images down, the codecs across, the means last.

    Best bold, second underlined, compared as printed.

    Parameters
    ----------
    comparison
        The run.
    residual
        Whether the rate residual in percent is there, too.
    document
        Whether it is a file that compiles as it is, or tables to input (they need booktabs, graphicx and siunitx).
    columns
        How many columns of the paper a table may take, 1 or 2. It is set smaller where it would be wider.

    Raises
    ------
    ReportError
        When `columns` is another number.
    """
    if columns not in (1, 2):
        raise ReportError(f"a table takes 1 or 2 columns of a page, not {columns}")
    levels = [level for level in comparison.levels() if level.pictures] or comparison.levels()
    body = "\n\n".join(table for level in levels for table in _tables(comparison, level, residual, columns))
    if not document:
        return body + "\n"
    # One float a level of a long run would exceed TeX's store of pending floats.
    body = body.replace("\n\n\\begin", "\n\\clearpage\n\n\\begin")
    return f"{_CLASS[columns]}{PACKAGES}\\begin{{document}}\n{body}\n\\end{{document}}\n"


_CLASS = {
    1: "\\documentclass[twocolumn]{article}\n\\usepackage[margin=2cm,columnsep=8mm]{geometry}\n",
    2: "\\documentclass{article}\n\\usepackage[margin=2cm]{geometry}\n",
}
PACKAGES = "\\usepackage{booktabs,graphicx,siunitx}\n"
WIDE = 16
"""Columns of numbers that a page holds side by side; more codecs than that get a line for each measure."""
MOST = {True: 40, False: 16}
"""Images in one table, beside each other's measures and with a line for each; more are continued in another one."""
MEAN = "mean"
AT_RATE = " *"
"""What marks a codec's column of values at equal rate or quality."""
RESIDUAL = "residual"


def _tables(comparison: Comparison, level: Level, residual: bool, columns: int) -> list[str]:
    shown = [*measures(comparison.manifest), *([_residual(comparison.aim)] if residual else [])]
    summaries = summarize(comparison, level)
    across = _across(summaries)
    labels = [f"{summaries[at].column.label}{AT_RATE if at_rate else ''}" for at, at_rate in across]
    wide = columns == 2 and len(shown) * len(across) <= WIDE
    names = list(level.point_of)
    parts = [names[at : at + MOST[wide]] for at in range(0, len(names), MOST[wide])]
    lines = {name: _values(comparison, level, name, shown, across) for name in names}
    lines[MEAN] = _mean_values(summaries, shown, across)
    cells = {measure: [cell for line in lines.values() for cell in line[measure]] for measure in shown}
    # A column holds one measure where they stand side by side, else all of them.
    formats = {m: _format(cells[m] if wide else [cell for some in cells.values() for cell in some]) for m in shown}
    made = []
    for at, part in enumerate(parts):
        blocks = [(escape(name), lines[name]) for name in part]
        last = at == len(parts) - 1
        means = [(MEAN, lines[MEAN])] if last and len(names) > 1 else []
        caption = (
            _caption(comparison, level, summaries, residual=residual) if at == 0 else "Continued from the page before."
        )
        made.append(
            _float(_rows(blocks, means, formats, wide), _spec(formats, len(across), wide),
                   _head(labels, shown, wide), caption, star=columns == 2, continued=at > 0)
        )  # fmt: skip
    return made


_Cells = dict[Measure, list[tuple[str, int]]]
"""For each measure the codecs' values as printed, with their ranks: 1 for the best, 2 for the second, 0 for others."""


_Across = list[tuple[int, bool]]
"""The columns of a measure: the codec's number, and whether its values at equal rate stand there."""


def _across(summaries: Sequence[CodecSummary]) -> _Across:
    """Return the codecs, each with a second column for its values at equal rate where any is interpolated."""
    return [
        (at, at_rate) for at, some in enumerate(summaries) for at_rate in (False, True)[: 1 + bool(some.interpolated)]
    ]


def _ranked(values: Sequence[float | None], across: _Across, measure: Measure) -> list[int]:
    """Return the ranks of a measure's values: of a codec with two columns, those at equal rate take part."""
    twice = {at for at, at_rate in across if at_rate}
    taking = [v if at_rate or at not in twice else None for v, (at, at_rate) in zip(values, across, strict=True)]
    return measure.ranks(taking)


def _values(comparison: Comparison, level: Level, image: str, shown: Sequence[Measure], across: _Across) -> _Cells:
    cells = comparison.row_line(image, level.point_of[image])
    tolerance = comparison.aim.tolerance
    found = {}
    for measure in shown:
        texts = [
            _at_rate(cells[at], measure, tolerance) if at_rate else _measured(cells[at], measure)
            for at, at_rate in across
        ]
        values = [None if measure.name == RESIDUAL else measure.counts(cells[at], tolerance) for at, _ in across]
        found[measure] = list(zip(texts, _ranked(values, across, measure), strict=True))
    return found


def _residual(aim: Aim) -> Measure:
    """Return the line of how far a file is from what was asked for."""
    return Measure(RESIDUAL, f"Residual ({aim.unit})" if aim.unit else "Residual", aim.digits, direction=0)


def _measured(row: Row | None, measure: Measure) -> str:
    if measure.name == RESIDUAL:
        return number(row.residual if row and row.ok else None, measure.digits, sign=True)
    return measure.written(row)


def _at_rate(row: Row | None, measure: Measure, tolerance: float) -> str:
    """Return what a cell has at equal rate, as printed: measured where its file meets the rate, else interpolated."""
    if row is None or not row.ok or not row.equal:
        there = row is None or not row.ok or basis(row, tolerance) is Basis.MEASURED
        return _measured(row, measure) if there else DASH
    if measure.name == RESIDUAL:
        return DASH
    return number(row.compared(measure.name), measure.digits)


def _mean(some: CodecSummary, measure: Measure) -> float | None:
    value: float | None
    value = some.metrics[measure.name].mean if measure.name in some.metrics else getattr(some, measure.name)
    return value


def _mean_values(summaries: Sequence[CodecSummary], shown: Sequence[Measure], across: _Across) -> _Cells:
    found = {}
    for measure in shown:
        counting = [summaries[at].at_aim.get(measure.name) for at, _ in across]
        values = [
            value if at_rate else _mean(summaries[at], measure)
            for value, (at, at_rate) in zip(counting, across, strict=True)
        ]
        written = [number(value, measure.digits) for value in values]
        found[measure] = list(zip(written, _ranked(counting, across, measure), strict=True))
    return found


def _format(cells: Sequence[tuple[str, int]]) -> str:
    """Return siunitx's format for a measure's numbers: a sign where there is one, digits before and after the point."""
    numbers = [text for text, _ in cells if _is_number(text)]
    before = max((len(text.lstrip(f"+{MINUS}").partition(".")[0]) for text in numbers), default=1)
    after = max((len(text.partition(".")[2]) for text in numbers), default=0)
    return f"{'+' if any(text[0] in f'+{MINUS}' for text in numbers) else ''}{before}.{after}"


def _is_number(text: str) -> bool:
    return text.lstrip(f"+{MINUS}").replace(".", "", 1).isdigit()


def _cell(text: str, place: int, form: str) -> str:
    if not _is_number(text):
        return f"{{{escape(text)}}}"
    if place == 2:
        # siunitx underlines nothing: the number is set as text, as wide as the column's
        missing = int(form.lstrip("+").partition(".")[0]) - len(text.partition(".")[0])
        pad = rf"\phantom{{{'0' * missing}}}" if missing > 0 else ""
        return rf"{{{pad}\underline{{{text}}}}}"
    plain = text.replace(MINUS, "-")
    return rf"\bfseries {plain}" if place == 1 else plain


def _rows(
    blocks: Sequence[tuple[str, _Cells]], means: Sequence[tuple[str, _Cells]], formats: dict[Measure, str], wide: bool
) -> list[str]:
    found = []
    for group in (blocks, means):
        if group is means and means:
            found.append(r"\midrule")
        for at, (name, line) in enumerate(group):
            cells = {m: " & ".join(_cell(*cell, formats[m]) for cell in line[m]) for m in formats}
            if wide:
                found.append(rf"{name} & {' & '.join(cells.values())} \\")
                continue
            found += [r"\addlinespace"] if at else []
            for first, measure in zip([name, *[""] * len(cells)], cells, strict=False):
                found.append(rf"{first} & {escape(measure.title)} & {cells[measure]} \\")
    return found


def _spec(formats: dict[Measure, str], codecs: int, wide: bool) -> str:
    columns = [f"*{{{codecs}}}{{S[table-format={form}]}}" for form in formats.values()]
    return "l" + r"@{\hspace{9pt}}".join(columns) if wide else f"ll{columns[0]}"


def _head(names: Sequence[str], shown: Sequence[Measure], wide: bool) -> list[str]:
    labels = [f"{{{escape(name)}}}" for name in names]
    if not wide:
        return [rf"& & {' & '.join(labels)} \\"]
    count = len(labels)
    groups = " & ".join(rf"\multicolumn{{{count}}}{{c}}{{{escape(measure.title)}}}" for measure in shown)
    rules = "".join(rf"\cmidrule(lr){{{2 + at * count}-{1 + (at + 1) * count}}}" for at in range(len(shown)))
    return [rf"& {groups} \\", rules, rf"& {' & '.join(labels * len(shown))} \\"]


def _caption(comparison: Comparison, level: Level, summaries: Sequence[CodecSummary], *, residual: bool) -> str:
    anchor = comparison.anchor
    more = further(comparison.manifest)
    *others, last = [
        "PSNR in dB",
        "MS-SSIM",
        *(f"{some.title} in {some.unit}" if some.unit else some.title for some in more),
    ]
    smaller = [some.title for some in more if some.direction < 0]
    aim = comparison.aim
    held = "file size" if aim.of_size else aim.label
    sizes = f", every codec at the {held} of {anchor.label} on the same image" if anchor else ""
    parts = [
        f"{comparison.dataset}; {level.words}{sizes}: bits per pixel (BPP), {', '.join(others)} and {last}.",
        f"{', '.join(smaller)}: smaller is better." if smaller else "",
        f"Residual: how far the {aim.label} is from what was asked for; its mean is of absolute values."
        if residual
        else "",
        f"{AT_RATE.strip()} At equal {aim.label}: where a file misses the {aim.label}, interpolated in log rate "
        "between it and the codec's next file on the other side of it."
        if any(some.interpolated for some in summaries)
        else "",
        *(_unequal(some, aim) for some in summaries if some.unequal),
        f"Best bold, second underlined, compared as printed; {'rates are' if aim.of_size else aim.label + ' is'} not "
        "ranked.",
        "Last: means of the images' values (for PSNR, of the dB values)." if len(level.point_of) > 1 else "",
        *exclusions(comparison, summaries),
        *asked_options(comparison),
    ]
    return escape(" ".join(part for part in parts if part))


def _unequal(some: CodecSummary, aim: Aim) -> str:
    return (
        f"{some.column.label} misses the {aim.label} on {some.unequal} of {some.cells - some.failed} images and has no "
        "file on its other side: these are not ranked, and neither is its mean."
    )


def _float(rows: list[str], spec: str, head: list[str], caption: str, *, star: bool, continued: bool) -> str:
    name = "table*" if star else "table"
    lines = [
        rf"\begin{{{name}}}[tp]",
        *([r"\addtocounter{table}{-1}"] if continued else []),
        r"\centering",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{2.5pt}",
        r"\sisetup{detect-weight=true,mode=text,group-minimum-digits=9}",
        r"\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{caption}}}",
        # smaller only where it is wider than the page or column
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        *head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}}",
        rf"\end{{{name}}}",
    ]
    return "\n".join(lines)
