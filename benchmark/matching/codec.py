"""Matching a codec's rate: one knob by search, two knobs by a coarse search and a fine correction."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from isorate.codecs.base import Codec, TwoKnobCodec
from isorate.errors import MatchError
from isorate.image import Image, frozen
from isorate.matching.search import MAX_PROBES, Match, Policy, Probe, match_size

COARSE_TOLERANCE_PCT = 30.0
"""How near the coarse knob must bring the size: from there the fine knob has the range, and a probe costs less."""


def match_codec(
    size: Callable[..., int],
    codec: Codec,
    target: float,
    *,
    num_pixels: int,
    tolerance_pct: float = 0.5,
    policy: Policy = Policy.NEAREST,
    image: Image | None = None,
) -> Match:
    """Return the knob values at which `codec` comes nearest to `target` bytes.

    A :class:`~isorate.codecs.base.TwoKnobCodec` is brought near by its coarse knob and to the target by its fine knob,
    whose probes the codec can make without analysing the image again.

    Parameters
    ----------
    size
        Encodes at one or two knob values and returns the file's size in bytes.
    codec
        The codec; only its knobs are used.
    target, num_pixels, tolerance_pct, policy
        As for :func:`isorate.matching.search.match_size`.
    image
        What `size` encodes, so that a codec may say where to start.

    Raises
    ------
    MatchError
        Under ``strict`` when the nearest is outside the tolerance.
    """
    if not isinstance(codec, TwoKnobCodec):
        return match_size(size, codec.knob, target, num_pixels=num_pixels, tolerance_pct=tolerance_pct, policy=policy)
    solved = _solved(size, codec, target, tolerance_pct, policy, image)
    if solved is not None:
        return solved
    default = codec.fine_default
    coarse = match_size(
        lambda value: size(value, default),
        codec.knob if image is None else codec.knob_for(image),
        target,
        num_pixels=num_pixels,
        tolerance_pct=max(COARSE_TOLERANCE_PCT, tolerance_pct),
    )
    knob = coarse.best.knob
    fine = match_size(
        lambda value: size(knob, value),
        codec.fine_knob_at(knob),
        target,
        num_pixels=num_pixels,
        tolerance_pct=tolerance_pct,
        policy=policy,
        max_probes=MAX_PROBES - len(coarse.trace),
        known=[Probe(default, coarse.best.num_bytes)],
    )
    trace = [replace(probe, fine=default) for probe in coarse.trace]
    trace += [Probe(knob, probe.num_bytes, probe.knob) for probe in fine.trace]
    best = Probe(knob, fine.best.num_bytes, fine.best.knob)
    return Match(target, best, trace, fine.unreachable, coarse.monotone and fine.monotone)


def _solved(
    size: Callable[..., int],
    codec: TwoKnobCodec,
    target: float,
    tolerance_pct: float,
    policy: Policy,
    image: Image | None,
) -> Match | None:
    """Return the codec's own choice of knobs, if it makes one and that is within the tolerance."""
    knobs = None if image is None else codec.solve(image, target)
    if knobs is None:
        return None
    probe = Probe(knobs[0], size(*knobs), knobs[1])
    found = Match(target, probe, [probe])
    limit = 0.0 if policy is Policy.AT_MOST else tolerance_pct
    return found if -tolerance_pct <= found.residual_pct <= limit else None


def match(
    codec: Codec,
    image: Image,
    target_bpp: float,
    *,
    tolerance_pct: float = 0.5,
    policy: Policy | str = Policy.NEAREST,
) -> tuple[bytes, Match]:
    """Encode `image` at the rate `target_bpp`.

    Parameters
    ----------
    codec
        Any codec.
    image
        Shape ``(height, width, 3)``, dtype uint8, sRGB.
    target_bpp
        Bits per pixel of the whole file, above 0.
    tolerance_pct, policy
        As for :func:`isorate.matching.search.match_size`.

    Returns
    -------
    The file, and how it was found.

    Raises
    ------
    MatchError
        For a target that is not a positive number, or under ``strict`` outside the tolerance.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from isorate.codecs.jpeg import Jpeg
    >>> data, found = match(Jpeg(), astronaut(), 0.5)
    >>> abs(found.residual_pct) < 0.5
    True
    """
    image = np.ascontiguousarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise MatchError(f"image of shape {image.shape}, {image.dtype}: (height, width, 3) uint8 is needed")
    image = frozen(image)
    files: dict[tuple[float, ...], bytes] = {}

    def size(*knobs: float) -> int:
        files[knobs] = codec.encode(image, *knobs)
        return len(files[knobs])

    num_pixels = image.shape[0] * image.shape[1]
    found = match_codec(
        size, codec, target_bpp * num_pixels / 8,
        num_pixels=num_pixels, tolerance_pct=tolerance_pct, policy=Policy(policy), image=image,
    )  # fmt: skip
    return files[found.best.knobs], found
