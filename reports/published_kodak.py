"""The published curves on Kodak that come with the project; ``published_kodak.toml`` holds values and sources."""

import tomllib
from pathlib import Path

from isorate.errors import ReportError
from isorate.reports.curves import Curve, CurvePoint

NAME = "kodak"
IMAGES = "Kodak's 24 photographs"
FILE = Path(__file__).with_suffix(".toml")


def curves(chosen: str = "") -> list[Curve]:
    """Return the curves, or those of them whose names contain one of the words in `chosen`.

    Parameters
    ----------
    chosen
        Words separated by commas, such as ``vvc,av1``; upper and lower case are the same.

    Raises
    ------
    ReportError
        When a word is in no name.
    """
    data = tomllib.loads(FILE.read_text("utf-8"))
    found = []
    for entry in data["curve"]:
        source = data["source"][entry["source"]]
        note = f"; {entry['note']}" if "note" in entry else ""
        points = zip(entry["bpp"], entry["psnr_rgb"], entry.get("ms_ssim", [None] * len(entry["bpp"])), strict=True)
        found.append(
            Curve(
                entry["name"],
                tuple(CurvePoint(*point) for point in points),
                f"{source['name']}/{entry['where']}, {source['version']}{note}",
                IMAGES,
            )
        )
    words = [word.strip().lower() for word in chosen.split(",") if word.strip()]
    for word in words:
        if not any(word in curve.name.lower() for curve in found):
            names = ", ".join(curve.name for curve in found)
            raise ReportError(f"no published curve on Kodak has {word!r} in its name; there are: {names}")
    return [curve for curve in found if not words or any(word in curve.name.lower() for word in words)]
