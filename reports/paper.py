"""How a figure for paper is set: fonts, sizes, and saving so that equal input gives equal bytes."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from isorate.errors import ReportError

ORANGE = "#f07c10"
COLOURS = ("#0072b2", "#d55e00", "#00855f", "#b0578d", "#9a7300", "#2b8fc7", "#5a5a5a", "#7b4fb0")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

_FONT = "STIXGeneral"  # comes with Matplotlib and matches the Times of most papers
_RC = {
    "font.family": _FONT,
    "font.size": 8,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
}
# Embedded TrueType: publishers refuse Matplotlib's default Type 3 fonts.
_FIXED = {"pdf.fonttype": 42, "pdf.compression": 9, "text.usetex": False, "svg.hashsalt": "isorate"}

WIDTHS = (0.5, 100.0)
"""Inches: a third of a column, and a poster."""
RESOLUTIONS = (1, 4800)
"""Pixels an inch, to those of a platesetter."""
LONGEST_SIDE = 2**15
"""Pixels of a PNG's side; twice as many are more than Matplotlib draws."""


def check(name: str, value: float, limits: tuple[float, float]) -> None:
    """Raise :class:`~isorate.errors.ReportError` unless a figure's `value` is within its limits."""
    least, most = limits
    if not least <= value <= most:
        raise ReportError(f"figures need a {name} from {least:g} to {most:g}; got {value}")


@contextmanager
def style(bundle: str | None) -> Iterator[None]:
    """Set Matplotlib up for figures; `bundle` names one of tueplots (``neurips2024``, ``cvpr2024``, ...).

    Raises
    ------
    ReportError
        When tueplots is missing or has no such bundle.
    """
    # Starting from the defaults: a matplotlibrc of the machine must not change the bytes.
    settings: Any = {**mpl.rcParamsDefault, **_RC, **(_bundle(bundle) if bundle else {}), **_FIXED}
    with mpl.rc_context(settings):
        yield


def _bundle(name: str) -> dict[str, Any]:
    try:
        bundles = importlib.import_module("tueplots.bundles")  # an optional package
    except ImportError:
        raise ReportError(f"style {name!r}: styles come from tueplots; install it with: pip install tueplots") from None
    make = getattr(bundles, name, None)
    if make is None or name.startswith("_"):
        known = sorted(key for key in vars(bundles) if key[-4:].isdigit())
        raise ReportError(f"style {name!r}: tueplots has none of that name; it has {', '.join(known)}")
    parameters: dict[str, Any] = make(usetex=False)
    # The layout is our own: crops lie edge to edge.
    kept = {key: value for key, value in parameters.items() if not key.startswith("figure.")}
    return {**kept, "font.family": _installed(kept)}


def _installed(parameters: dict[str, Any]) -> str:
    """Return the first font that a style asks for and this machine has; Matplotlib complains of any other."""
    have = {font.name for font in mpl.font_manager.fontManager.ttflist}
    asked = parameters.get("font.family", [])
    for family in [asked] if isinstance(asked, str) else asked:
        for name in parameters.get(f"font.{family}", [family]):
            if name in have:
                return str(name)
    return _FONT


def own_line(index: int) -> dict[str, Any]:
    """Return how a curve of the run is drawn: colour and mark, on top."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)], "zorder": 3}


def published_line(index: int) -> dict[str, Any]:
    """Return how a published curve is drawn: grey and broken, without marks."""
    return {"color": str(0.3 + 0.06 * (index % 7)), "linestyle": ("--", ":", "-.")[index % 3], "linewidth": 0.8}


def save(figure: Figure, stem: Path, formats: Sequence[str], dpi: int) -> list[Path]:
    """Write a figure in every format and return the paths; nothing written depends on the time.

    Raises
    ------
    ReportError
        When a PNG would have more than :data:`LONGEST_SIDE` pixels a side.
    """
    sides = [round(inches * dpi) for inches in figure.get_size_inches()]
    if "png" in formats and max(sides) > LONGEST_SIDE:
        raise ReportError(
            f"{stem}.png: {sides[0]}×{sides[1]} pixels, and {LONGEST_SIDE} a side are the most; give a lower --dpi, "
            "fewer images (--image), or --format pdf"
        )
    stem.parent.mkdir(parents=True, exist_ok=True)
    stamps: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "png": {"Software": None}}
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in formats]
    for path in paths:
        figure.savefig(path, dpi=dpi, metadata=stamps.get(path.suffix[1:], {}))
    return paths


def printable(text: str, most: int = 200) -> str:
    """Return `text` with a box for every character that the font lacks, cut to `most` characters."""
    known = _characters(str(findfont(mpl.font_manager.FontProperties())))
    kept = "".join(char if ord(char) in known else "□" if ord("□") in known else "?" for char in " ".join(text.split()))
    return kept if len(kept) <= most else kept[: most - 1] + "…"


@cache
def _characters(font: str) -> frozenset[int]:
    return frozenset(get_font(font).get_charmap())
