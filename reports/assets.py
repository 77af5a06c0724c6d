"""Style sheets and scripts, joined to stand inside the page: a page opened from disk can load no module."""

import tomllib
from pathlib import Path
from typing import Any

from markupsafe import Markup

STATIC = Path(__file__).parent / "static"

STYLES = ("uplot.min.css", "img-comparison-slider.css", "page.css", "viewer.css")
LIBRARIES = ("uplot.min.js", "panzoom.min.js", "img-comparison-slider.js")
SCRIPTS = (
    "data.js",
    "plots.js",
    "traces.js",
    "spreads.js",
    "flip.js",
    "maps.js",
    "stage.js",
    "box.js",
    "viewer.js",
    "blind.js",
    "overview.js",
    "main.js",
)
"""Our own scripts, in the order in which they use one another; joined, they are one strict function."""


def styles() -> Markup:
    """Return the joined style sheets."""
    return _safe("\n".join(_read(name) for name in STYLES), "</style")


def libraries() -> Markup:
    """Return the vendored scripts; the line that points a debugger to a map which is not here is left out."""
    text = "\n".join(_read(name) for name in LIBRARIES)
    return _safe(
        "\n".join(line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")), "</script"
    )


def scripts() -> Markup:
    """Return our own scripts as one function."""
    body = "\n".join(_read(name) for name in SCRIPTS)
    return _safe(f'(() => {{\n"use strict";\n{body}\n}})();', "</script")


def vendored() -> list[dict[str, Any]]:
    """Return what is known of the vendored libraries: name, version, licence, homepage, files with their checksums."""
    packages: list[dict[str, Any]] = tomllib.loads(_read("vendored.toml"))["package"]
    return packages


def _read(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


def _safe(text: str, end: str) -> Markup:
    if end in text.lower():
        raise ValueError(f"an asset holds {end!r}, which would end its element")
    return Markup(text)  # noqa: S704  these are the package's own files
