"""The files of one image and one codec in a run: from the cache, or made and timed."""

import time
from collections.abc import Callable

from isorate.codecs.base import Codec, encoded_by, file_of
from isorate.datasets.images import LoadedImage
from isorate.engine.cache import Cache, CachedEncode
from isorate.image import Image
from isorate.matching.goal import QualityGoal
from isorate.matching.outcome import Match, Policy, QualityMatch


class Encodes:
    """What `codec` makes of one image.

    Parameters
    ----------
    codec
        The codec.
    loaded
        The image.
    cache
        Where earlier files may be, and new ones go.
    """

    def __init__(self, codec: Codec, loaded: LoadedImage, cache: Cache) -> None:
        self.codec, self.loaded, self.cache = codec, loaded, cache
        self._made: dict[tuple[float, ...], CachedEncode] = {}

    def at(self, *knobs: float) -> CachedEncode:
        """Return the file at `knobs`, and the wall-clock seconds of its encode.

        Raises
        ------
        IsorateError
            When the codec fails.
        """
        if knobs not in self._made:
            key = self.cache.encode_key(self.loaded.sha256, self.codec, *knobs)
            made = self.cache.encode(key)
            if made is None:
                start = time.perf_counter()
                data = encoded_by(self.codec, self.loaded.pixels, *knobs)
                made = CachedEncode(data, time.perf_counter() - start)
                self.cache.keep_encode(key, made.data, made.encode_s)
            self._made[knobs] = made
        return self._made[knobs]

    def to_size(self, num_bytes: float, tolerance_pct: float, policy: Policy) -> tuple[CachedEncode, Match]:
        """Return the file that the codec answers for `num_bytes`, its seconds, and how it was found.

        The seconds are those of the file's own encode. For a file that the codec did not make at knobs but fitted to
        the size, they are those of the whole fit.

        Raises
        ------
        IsorateError
            When the codec fails, or `policy` refuses every size.
        """
        key = self.cache.size_key(self.loaded.sha256, self.codec, num_bytes, tolerance_pct, policy)
        fitted, found = self.cache.encode(key), self.cache.match(key)
        if fitted and found:
            return fitted, found
        start = time.perf_counter()
        data, found = self.codec.encode_to_size(
            self.loaded.pixels, num_bytes, tolerance_pct=tolerance_pct, policy=policy, encode=self._encode
        )
        elapsed = time.perf_counter() - start
        made = self._made.get(found.best.knobs)
        if made is not None and made.data == data:
            return made, found
        data = file_of(self.codec, data, f"for a size of {num_bytes:.0f} bytes")
        fitted = CachedEncode(data, elapsed)
        self.cache.keep_encode(key, data, elapsed)
        self.cache.keep_match(key, found)
        return fitted, found

    def to_quality(self, goal: QualityGoal, measure: Callable[[bytes], float]) -> tuple[CachedEncode, QualityMatch]:
        """Return the file that the codec answers for a quality, its seconds, and how it was found.

        Raises
        ------
        IsorateError
            When the codec fails, has no way to a quality, or the policy refuses every file.
        """
        start = time.perf_counter()
        data, found = self.codec.encode_to_quality(self.loaded.pixels, goal, measure, encode=self._encode)
        made = self._made.get(found.best.knobs)
        if made is None or made.data != data:
            made = CachedEncode(file_of(self.codec, data, "for a quality"), time.perf_counter() - start)
        return made, found

    def beyond_quality(self, found: QualityMatch) -> tuple[tuple[float, ...], CachedEncode] | None:
        """Return the nearest file on the other side of a match's quality than its best, with its knobs, or None."""
        others = [
            probe
            for probe in found.trace
            if probe.quality is not None
            and probe.knobs in self._made
            and (probe.quality > found.target if found.gap < 0 else probe.quality < found.target)
        ]
        best = min(others, key=lambda probe: abs((probe.quality or 0.0) - found.target), default=None)
        return None if best is None else (best.knobs, self._made[best.knobs])

    def beyond(self, found: Match) -> tuple[tuple[float, ...], CachedEncode] | None:
        """Return the nearest file on the other side of a match's target than its best, with its knobs.

        None where the search made no file there, or the best is not one of the files at knobs: between a file that was
        fitted to a size and one that was not, nothing can be interpolated.
        """
        if found.best.knobs not in self._made:
            return None
        above = found.best.num_bytes < found.target
        others = [
            (knobs, made)
            for knobs, made in self._made.items()
            if (len(made.data) > found.target if above else len(made.data) < found.target)
        ]
        return min(others, key=lambda pair: abs(len(pair[1].data) - found.target), default=None)

    def _encode(self, image: Image, *knobs: float) -> bytes:
        assert image is self.loaded.pixels
        return self.at(*knobs).data
