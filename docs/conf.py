"""How Sphinx makes the site, for `make docs`: strict, and from this machine alone, as its pages load nothing either."""

import re
from importlib.metadata import version as installed
from typing import Any

project = "isorate"
author = "The isorate developers"
version = release = installed("isorate")

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"isorate {release}"
html_show_copyright = html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"RateMatch": "isorate.codecs.learned.coding.rate_control.RateMatch"}
numpydoc_show_class_members = False

# Every name that a docstring or signature refers to must be found, but for other packages' and those below `typing`.
nitpicky = True
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(collections|concurrent|msgspec|numpy|pathlib|torch|types|matplotlib|pandas|pd|typing|Any|ndarray|dtype|uint8|Categorical|VideoFrame).*",
    ),
    (r"py:class", r".*\.[TR]|[0-9.]+"),
]


def setup(app: Any) -> None:
    """Mend signatures as autodoc writes them, and links to files that are no pages."""
    app.connect("autodoc-process-signature", _mended)
    app.connect("source-read", _outside)


def _mended(_app: Any, _what: str, _name: str, _obj: Any, _options: Any, signature: str, returns: str) -> Any:
    """Say `Image` for what it stands for; a default that a dataclass makes is not Python as it is printed."""
    image = "~numpy.ndarray[tuple[~typing.Any, ...], ~numpy.dtype[~numpy.uint8]]"
    shorter = [text and text.replace(image, "~isorate.image.Image") for text in (signature, returns)]
    return shorter[0] and shorter[0].replace("<factory>", "..."), shorter[1]


def _outside(_app: Any, docname: str, source: list[str]) -> None:
    """Print the path of a file that the site does not hold."""
    if "/" not in docname:
        source[0] = re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", r"\1 (`\2`)", source[0])
