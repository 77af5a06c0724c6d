"""Booktabs tables: for each image as in the paper's supplementary, and the data set's means."""

from isorate.reports.results import Comparison
from isorate.reports.summary import AVERAGING, CodecSummary, exclusions, summarize
from isorate.reports.text import METRICS, metric, number, rank, ranks

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''",
    "–": r"\textendash{}", "−": "$-$", "∞": r"$\infty$", "λ": r"$\lambda$", "Δ": r"$\Delta$", "×": r"$\times$",
}  # fmt: skip
_LETTERS = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŁłŒœŠšŽžČčŘř"
"""Letters that TeX's oldest fonts have: the tables need no font package."""

_PREAMBLE = r"""\documentclass{article}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\begin{document}
"""


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


def render(comparison: Comparison, *, residual: bool = False, document: bool = True) -> str:
    """Return the tables; `document` makes a file that compiles as it is, otherwise one to input (needs booktabs).

    Best bold, second underlined, compared as printed. `residual` adds a line with the rate residual in percent.
    """
    tables = [_means(comparison, level.label, summarize(comparison, level)) for level in comparison.levels()]
    tables += [_image(comparison, image.name, point, residual) for image, point in comparison.figures()]
    body = "\n\n".join(tables)
    # One float a line of a long run would exceed TeX's store of pending floats.
    body = body.replace("\\end{table}\n\n", "\\end{table}\n\\clearpage\n\n") if document else body
    return f"{_PREAMBLE}{body}\n\\end{{document}}\n" if document else body + "\n"


def _ranked(text: str, rank: int) -> str:
    return rf"\textbf{{{text}}}" if rank == 1 else rf"\underline{{{text}}}" if rank == 2 else text


def _table(caption: str, spec: str, head: list[str], lines: list[list[str]]) -> str:
    rows = "\n".join(" & ".join(line) + r" \\" for line in lines)
    return (
        f"\\begin{{table}}[htbp]\n\\centering\n\\caption{{{caption}}}\n\\begin{{tabular}}{{{spec}}}\n\\toprule\n"
        f"{' & '.join(head)} \\\\\n\\midrule\n{rows}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}"
    )


def _image(comparison: Comparison, image: str, point: str, residual: bool) -> str:
    cells = comparison.row_line(image, point)
    lines = []
    for name, (title, _) in METRICS.items():
        values = [escape(metric(row, name)) for row in cells]
        lines.append([title, *(_ranked(*pair) for pair in zip(values, ranks(cells, name), strict=True))])
    if residual:
        values = [number(row.residual_pct, 2, sign=True) if row is not None and row.ok else "–" for row in cells]
        lines.append([r"Residual (\%)", *map(escape, values)])
    head = ["", *(escape(column.label) for column in comparison.columns)]
    return _table(f"{escape(image)} ({escape(point)})", "l" + "r" * len(cells), head, lines)


def _means(comparison: Comparison, label: str, summaries: list[CodecSummary]) -> str:
    psnr, ms_ssim = (
        rank([getattr(s, name) for s in summaries], digits) for name, digits in (("psnr", 2), ("ms_ssim", 4))
    )
    lines = []
    for some, rank_psnr, rank_ms in zip(summaries, psnr, ms_ssim, strict=True):
        gap = some.difference_psnr
        lines.append([
            escape(some.column.label),
            escape(number(some.bpp, 4)),
            escape(number(some.residual_pct, 2)),
            _ranked(escape(number(some.psnr, 2)), rank_psnr),
            _ranked(escape(number(some.ms_ssim, 4)), rank_ms),
            escape(number(gap.mean, 2, sign=True) if gap else "–"),
            str(some.cells - some.failed),
        ])  # fmt: skip
    head = ["", "BPP", r"$|$residual$|$ (\%)", "PSNR (dB)", "MS-SSIM", r"$\Delta$PSNR", "$n$"]
    notes = " ".join(["", *exclusions(summaries)])
    caption = f"{escape(comparison.dataset)}, {escape(label)}. {escape(AVERAGING)}{escape(notes)}"
    return _table(caption, "lrrrrrr", head, lines)
