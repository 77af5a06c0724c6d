"""Recomputing the classical columns of the paper's supplementary (Choi, El-Khamy & Lee, ICCV 2019).

The 18 rows are in ``supplementary.csv``, beside those of the paper's model: six photographs; BPG 4:4:4, JPEG2000 and
JPEG. JPEG is compared at the supplementary's integer qualities, BPG by bpgenc at its QPs: rate, PSNR and MS-SSIM must
be equal as printed. Another encoder (BPG's embedded back end, any OpenJPEG) gives other sizes: it is compared at the
supplementary's rate, interpolated in log rate between the two sizes that enclose it.
"""

import math
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from isorate.codecs.base import Codec
from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Dataset, Source
from isorate.errors import IsorateError
from isorate.image import Image
from isorate.matching.outcome import Policy
from isorate.matching.search import match_size
from isorate.metrics import bpp, ms_ssim, psnr
from isorate.verification.supplementary import PaperRow, paper_knobs, paper_rows, sources_of


@dataclass(frozen=True, slots=True)
class VerifyTolerance:
    """The largest difference that still counts as reproduced."""

    psnr: float
    ms_ssim: float
    bpp: float | None = None
    """Bits per pixel; None where the comparison is made at the supplementary's own rate."""


PRINTED = VerifyTolerance(psnr=5e-4, ms_ssim=2e-4, bpp=5.1e-5)
"""Equal to the printed digits, but for the last one of PSNR and MS-SSIM (float rounding between libraries)."""
EMBEDDED_BPG = VerifyTolerance(psnr=0.1, ms_ssim=1e-3)
OTHER_JPEG2000 = VerifyTolerance(psnr=0.1, ms_ssim=2e-3)


@dataclass(frozen=True, slots=True)
class Verified:
    """One row of the supplementary beside ours.

    Attributes
    ----------
    image, codec
        As in the supplementary: ``kodim02``, ``bpg444``.
    backend
        Who made our bits.
    how
        ``knob value`` or ``interpolated to the rate``.
    theirs, ours
        (bpp, PSNR in dB, MS-SSIM).
    tolerance
        What was allowed.
    """

    image: str
    codec: str
    backend: str
    how: str
    theirs: tuple[float, float, float]
    ours: tuple[float, float, float]
    tolerance: VerifyTolerance

    @property
    def ok(self) -> bool:
        """Whether every difference is inside the tolerance."""
        rate, quality, similarity = (abs(a - b) for a, b in zip(self.ours, self.theirs, strict=True))
        limit = self.tolerance
        return quality <= limit.psnr and similarity <= limit.ms_ssim and (limit.bpp is None or rate <= limit.bpp)


def verify(dataset: Dataset, executor: Executor) -> Iterator[Verified]:
    """Recompute the 18 rows, image by image.

    Parameters
    ----------
    dataset
        Must hold kodim02, 04, 15, 19, 20 and 23.
    executor
        Where the rows are computed.

    Raises
    ------
    DatasetError
        When one of them is missing.
    CodecUnavailableError
        When a codec cannot run here.
    """
    rows = paper_rows()
    yield from executor.map(_verified, sources_of(dataset, [row.image for row in rows]), rows)


def _verified(source: Source, row: PaperRow) -> Verified:
    name, column, theirs = row.image, row.codec, (row.bpp, row.psnr, row.ms_ssim)
    image = source.load().pixels
    codec = _codec(column)
    exact = column == "jpeg" or codec.backend.startswith("bpgenc")
    if exact:
        ours = _measure(codec, image, paper_knobs()[codec.name][name])
        return Verified(name, column, codec.backend, "knob value", theirs, ours, PRINTED)
    tolerance = EMBEDDED_BPG if column == "bpg444" else OTHER_JPEG2000
    return Verified(
        name, column, codec.backend, "interpolated to the rate", theirs, _at_rate(codec, image, theirs[0]), tolerance
    )


def _codec(column: str) -> Codec:
    return CodecSpec.parse({"bpg444": "bpg", "jpeg2000": "jpeg2000", "jpeg": "jpeg:mode=integer"}[column]).create()


def _measure(codec: Codec, image: Image, knob: float) -> tuple[float, float, float]:
    data = codec.encode(image, knob)
    decoded = codec.decode(data)
    similarity = ms_ssim(image, decoded)
    if similarity is None:
        raise IsorateError(f"{codec.name}: MS-SSIM is not defined for an image of shape {image.shape}")
    return bpp(len(data), image), psnr(image, decoded), similarity


def _at_rate(codec: Codec, image: Image, rate: float) -> tuple[float, float, float]:
    """Return (rate, PSNR, MS-SSIM) at `rate`, between the files just below and above it."""
    num_pixels = image.shape[0] * image.shape[1]
    target = rate * num_pixels / 8

    def size(knob: float) -> int:
        return len(codec.encode(image, knob))

    search = partial(match_size, size, codec.knob, num_pixels=num_pixels, policy=Policy.AT_MOST, tolerance_pct=2.0)
    # A whole-number knob's neighbours are among the probes; a real knob's file 3 % larger is as near as one needs.
    probes = [probe for factor in (1, 1.03) for probe in search(target * factor).trace]
    below = max((probe for probe in probes if probe.num_bytes <= target), key=lambda probe: probe.num_bytes)
    above = min((probe for probe in probes if probe.num_bytes > target), key=lambda probe: probe.num_bytes)
    low, high = _measure(codec, image, below.knob), _measure(codec, image, above.knob)
    share = (math.log(rate) - math.log(low[0])) / (math.log(high[0]) - math.log(low[0]))
    return rate, low[1] + share * (high[1] - low[1]), low[2] + share * (high[2] - low[2])
