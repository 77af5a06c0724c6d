"""The supplementary of Choi, El-Khamy & Lee (ICCV 2019): the rows that it prints, and at which knobs they were made."""

import csv
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from isorate.datasets.base import Dataset, Source
from isorate.errors import DatasetError

RATES_OF = {"learned": "bpg444", "bpg": "bpg444", "jpeg2000": "jpeg2000", "jpeg": "jpeg"}
"""The column whose rates a codec takes as anchor. The paper's learned codec was matched to BPG's rates."""


@dataclass(frozen=True, slots=True)
class PaperRow:
    """One printed row.

    Attributes
    ----------
    image, codec
        ``kodim02``; ``bpg444``, ``jpeg2000``, ``jpeg``, or ``learned`` for the paper's own model.
    bpp, psnr, ms_ssim
        Bits per pixel, dB, 0..1; four decimals.
    """

    image: str
    codec: str
    bpp: float
    psnr: float
    ms_ssim: float


@cache
def _rows() -> tuple[PaperRow, ...]:
    text = files("isorate.verification").joinpath("supplementary.csv").read_text(encoding="utf-8")
    return tuple(
        PaperRow(row["image"], row["codec"], float(row["bpp"]), float(row["psnr"]), float(row["ms_ssim"]))
        for row in csv.DictReader(text.splitlines())
    )


def paper_rows() -> tuple[PaperRow, ...]:
    """Return the 18 rows of the classical codecs, six images of three each."""
    return tuple(row for row in _rows() if row.codec != "learned")


def learned_rows() -> tuple[PaperRow, ...]:
    """Return the six rows of the paper's own model."""
    return tuple(row for row in _rows() if row.codec == "learned")


def sources_of(dataset: Dataset, images: Sequence[str]) -> list[Source]:
    """Return the sources of `images` in `dataset`.

    Raises
    ------
    DatasetError
        When it has not all of them.
    """
    sources = {source.name: source for source in dataset.sources}
    if missing := sorted(set(images) - set(sources)):
        raise DatasetError(
            f"{dataset.name}: has no {', '.join(missing)}; verify needs Kodak's PNGs (--data kodak or their folder)"
        )
    return [sources[image] for image in images]


def paper_rates(codec: str) -> dict[str, float]:
    """Return the printed rate in bpp by image, for `codec` as anchor; empty for one that the paper does not show."""
    column = RATES_OF.get(codec)
    return {row.image: row.bpp for row in paper_rows() if row.codec == column}


@cache
def paper_knobs() -> dict[str, dict[str, float]]:
    """Return by codec and image the knob values that give the printed rows."""
    return tomllib.loads(files("isorate.verification").joinpath("paper_knobs.toml").read_text(encoding="utf-8"))
