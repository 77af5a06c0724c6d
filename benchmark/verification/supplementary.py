"""The supplementary of Choi, El-Khamy & Lee (ICCV 2019): what it prints of the classical codecs, and at which knobs."""

import csv
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

RATES_OF = {"learned": "bpg444", "bpg": "bpg444", "jpeg2000": "jpeg2000", "jpeg": "jpeg"}
"""The column whose rates a codec takes as anchor. The paper's learned codec was matched to BPG's rates."""


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One printed row.

    Attributes
    ----------
    image, codec
        ``kodim02``; ``bpg444``, ``jpeg2000`` or ``jpeg``.
    bpp, psnr, ms_ssim
        Bits per pixel, dB, 0..1; four decimals.
    """

    image: str
    codec: str
    bpp: float
    psnr: float
    ms_ssim: float


@cache
def paper_rows() -> tuple[PaperRow, ...]:
    """Return the 18 rows of the classical codecs, six images of three each."""
    text = files("isorate.verification").joinpath("supplementary.csv").read_text(encoding="utf-8")
    return tuple(
        PaperRow(row["image"], row["codec"], float(row["bpp"]), float(row["psnr"]), float(row["ms_ssim"]))
        for row in csv.DictReader(text.splitlines())
    )


def paper_rates(codec: str) -> dict[str, float]:
    """Return the printed rate in bpp by image, for `codec` as anchor; empty for one that the paper does not show."""
    column = RATES_OF.get(codec)
    return {row.image: row.bpp for row in paper_rows() if row.codec == column}


@cache
def paper_knobs() -> dict[str, dict[str, float]]:
    """Return by codec and image the knob values that give the printed rows."""
    return tomllib.loads(files("isorate.verification").joinpath("paper_knobs.toml").read_text(encoding="utf-8"))
