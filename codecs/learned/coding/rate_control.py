"""From a target rate to (λ, Δ): λ by prediction, then Δ by secant steps on the size of the real file.

Log size is close to linear in log λ and in log Δ. A change of λ costs two network passes (analysis, priors), a change
of Δ one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isorate.codecs.learned.bitstream.knobs import BIN_CODES, BIN_OCTAVES, BIN_STEPS, KnobCodes
from isorate.codecs.learned.coding.picture import CodedPicture, PictureEncoder, read_picture
from isorate.codecs.learned.coding.rate_prediction import RatePredictor
from isorate.codecs.learned.coding.refinement import refine
from isorate.image import Image

TOLERANCE_PCT = 0.5
PLAIN_TOLERANCE_PCT = 0.2
"""Of the plain file from which effort 2 goes: its own tolerance is added."""
WIDEST_SHIFT = 0.5
"""Octaves of Δ that may make up for a predicted λ; beyond, λ itself is moved."""
MOST_MOVES = 4
MOST_BIN_PROBES = 8
TRIED_SHIFTS = (-0.5, 0.5)
"""Octaves of Δ away from the first solution at which effort 1 looks for a better picture of the same size."""


@dataclass(frozen=True, slots=True)
class RateMatch:
    """A file and how near it is to the target.

    Attributes
    ----------
    coded
        The file, its latents, λ and Δ.
    target_bytes
        What was asked for.
    passes
        Network passes that it took.
    """

    coded: CodedPicture
    target_bytes: float
    passes: int

    @property
    def residual_pct(self) -> float:
        """``100 * (size / target - 1)``."""
        return 100 * (len(self.coded.data) / self.target_bytes - 1)


class _KnobSearch:
    """The probes of one picture."""

    def __init__(
        self, encoder: PictureEncoder, predictor: RatePredictor, target: float, tolerance_pct: float = TOLERANCE_PCT
    ) -> None:
        self.encoder = encoder
        self.predictor = predictor
        self.target = target
        self.tolerance_pct = tolerance_pct
        self.knots = encoder.network.config.knots
        self.best: CodedPicture | None = None

    def gap(self, coded: CodedPicture) -> float:
        """Return log(target / size): positive when the file may grow."""
        return math.log(self.target / len(coded.data))

    def near(self, coded: CodedPicture) -> bool:
        return abs(math.expm1(-self.gap(coded))) <= self.tolerance_pct / 100

    def probe(self, codes: KnobCodes) -> CodedPicture:
        coded = self.encoder.code(codes)
        if self.best is None or abs(self.gap(coded)) < abs(self.gap(self.best)):
            self.best = coded
        return coded

    def solve(self) -> CodedPicture:
        """Return the file found from the predicted λ and Δ = 1."""
        return self.settle(self.approach(self.predictor.log_lmbda(self.target), BIN_OCTAVES * BIN_STEPS))

    def approach(self, log_lmbda: float, bin_code: int) -> CodedPicture:
        """Move λ until Δ can make up for the rest; return the last probe."""
        lowest, highest = self.predictor.log_lmbda_range
        for _ in range(MOST_MOVES):
            log_lmbda = min(max(log_lmbda, lowest), highest)
            codes = KnobCodes.nearest(10.0**log_lmbda, 1.0, self.knots)
            coded = self.probe(KnobCodes(codes.lmbda, bin_code))
            gap = self.gap(coded)
            shift = gap / self.predictor.bin_slope(log_lmbda)
            room = 0 <= bin_code + shift * BIN_STEPS <= BIN_CODES - 1
            at_end = log_lmbda == (lowest if gap > 0 else highest)
            if (abs(shift) <= WIDEST_SHIFT and room) or at_end:
                break
            log_lmbda = self.predictor.moved(log_lmbda, gap)
        return coded

    def settle(self, coded: CodedPicture) -> CodedPicture:
        """Move Δ until the size is near enough; return the nearest of these probes."""
        lmbda = coded.codes.lmbda
        expected = self.predictor.bin_slope(math.log10(coded.codes.values(self.knots)[0])) / BIN_STEPS
        slope = expected
        seen = {coded.codes.bin_size: coded}
        nearest = coded
        for _ in range(MOST_BIN_PROBES):
            if self.near(nearest):
                break
            at = nearest.codes.bin_size
            if len(seen) > 1:
                other = min((code for code in seen if code != at), key=lambda code: abs(code - at))
                measured = math.log(len(seen[other].data) / len(nearest.data)) / (other - at)
                slope = measured if 0.3 < measured / expected < 3 else expected
            code = min(max(at + round(self.gap(nearest) / slope), 0), BIN_CODES - 1)
            if code in seen:
                break
            seen[code] = self.probe(KnobCodes(lmbda, code))
            nearest = min(seen.values(), key=lambda one: abs(self.gap(one)))
        return nearest


def squared_error(one: Image, other: Image) -> float:
    """Return the mean squared difference of two pictures, 0..65025."""
    return float(np.square(one.astype(np.float32) - other).mean())


def plain_for_refinement(encoder: PictureEncoder, predictor: RatePredictor, target_bytes: float) -> CodedPicture:
    """Return the plain file of which effort 2 makes one of `target_bytes`."""
    return _KnobSearch(encoder, predictor, target_bytes, PLAIN_TOLERANCE_PCT).solve()


def match_rate(
    encoder: PictureEncoder,
    predictor: RatePredictor,
    target_bytes: float,
    *,
    effort: int = 0,
    error: Callable[[Image, Image], float] = squared_error,
) -> RateMatch:
    """Return the file of `encoder`'s picture whose size is nearest to `target_bytes`.

    Parameters
    ----------
    encoder
        The picture and the network.
    predictor
        The rate curve expected of this picture.
    target_bytes
        Size of the whole file, above 0.
    effort
        1 also tries smaller and larger Δ with the λ that makes up for it, decodes each file, and keeps the one with
        the smallest error among those within the tolerance. 2 refines the latents of the first file found.
    error
        What effort 1 compares pictures by.
    """
    before = encoder.passes
    if effort == 2:
        first = plain_for_refinement(encoder, predictor, target_bytes)
        return RateMatch(refine(encoder, first.codes), target_bytes, encoder.passes - before)
    search = _KnobSearch(encoder, predictor, target_bytes)
    first = search.solve()
    assert search.best is not None
    chosen = search.best
    if effort == 1 and search.near(first):
        chosen = _best_picture(search, first, error)
    return RateMatch(chosen, target_bytes, encoder.passes - before)


def _best_picture(search: _KnobSearch, first: CodedPicture, error: Callable[[Image, Image], float]) -> CodedPicture:
    candidates = [first]
    here = math.log10(first.codes.values(search.knots)[0])
    for shift in TRIED_SHIFTS:
        bin_code = first.codes.bin_size + round(shift * BIN_STEPS)
        if 0 <= bin_code < BIN_CODES:
            log_lmbda = search.predictor.moved(here, -shift * search.predictor.bin_slope(here))
            candidates.append(search.settle(search.approach(log_lmbda, bin_code)))
    near = [coded for coded in candidates if search.near(coded)]
    network, image = search.encoder.network, search.encoder.image
    return min(near, key=lambda coded: error(read_picture(network, coded.data), image))
