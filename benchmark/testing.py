"""The conformance kit: whether a codec, or a metric, keeps the contract that a comparison relies on.

>>> from isorate.codecs.jpeg import Jpeg
>>> check_codec(Jpeg())
"""

import json
import math
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np

from isorate.codecs.base import Codec, Knob, TwoKnobCodec
from isorate.errors import BitstreamError, CodecError, ImageError, IsorateError
from isorate.image import Image, frozen
from isorate.metrics.base import Metric, Scale, quality
from isorate.runs.row import Row

SIZES = ((64, 96), (97, 131), (8, 8), (1, 1), (1, 40), (40, 1))
"""Heights and widths; a codec may refuse those with a side below :data:`SMALLEST` by a CodecError."""
SMALLEST = 32
"""Pixels of the side from which on a codec must take every picture."""
KNOB_STEPS = 5
DECODE_S = 120

_FRESH = """
import pickle, sys
from pathlib import Path
folder = Path(sys.argv[1])
codec = pickle.loads((folder / "codec").read_bytes())
decoded = codec.decode((folder / "stream").read_bytes())
(folder / "decoded").write_bytes(repr((decoded.shape, str(decoded.dtype))).encode() + decoded.tobytes())
"""


class ConformanceError(IsorateError):
    """A codec breaks its contract; the message lists every check that failed."""


def check_codec(codec: Codec, image: Image | None = None) -> None:
    """Check a codec against the contract of docs/write-a-codec.md.

    Round trip, determinism, decoding in a fresh process from the bytes alone, picture sizes, damaged input, the knob's
    range and direction, pickling, and what the codec says of itself.

    Parameters
    ----------
    codec
        A new instance: it is pickled before it is used, as it travels to workers. Its class must be importable by name.
    image
        A picture for most checks; a photograph of 256×256 pixels by default.

    Raises
    ------
    ConformanceError
        When a check does not hold; the message names all of them.
    CodecUnavailableError
        When the codec cannot run here.
    """
    kit = _Kit(codec, _photograph() if image is None else image.copy())  # a broken codec may write into it
    _ = codec.backend  # raises where it cannot run
    _hold(f"codec {codec.name}", kit.checks())


def _hold(whose: str, checks: Mapping[str, Callable[[], None]]) -> None:
    """Make all checks, and raise ConformanceError with those that do not hold."""
    broken = []
    for name, check in checks.items():
        try:
            check()
        except _BrokenError as error:
            broken.append((name, str(error)))
        except Exception as error:  # what is checked may fail in any way, and the other checks go on
            broken.append((name, f"{type(error).__name__}: {error}"))
    if broken:
        listed = "".join(f"\n  {name}: {text}" for name, text in broken)
        raise ConformanceError(f"{whose} breaks {len(broken)} of {len(checks)} checks:{listed}")


class _BrokenError(Exception):
    """A check does not hold."""


def _require(holds: object, said: str) -> None:
    if not holds:
        raise _BrokenError(said)


def _photograph() -> Image:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[:256, 100:356])


class _Kit:
    """The checks of one codec."""

    def __init__(self, codec: Codec, image: Image) -> None:
        self.codec, self.image = codec, image
        self.pickled = _pickled(codec)

    def checks(self) -> dict[str, Callable[[], None]]:
        return {
            "names": self.names,
            "options": self.options,
            "knob": self.knob,
            "round trip": self.round_trip,
            "determinism": self.determinism,
            "input untouched": self.input_untouched,
            "knob direction": self.knob_direction,
            "encode to size": self.to_size,
            "sizes": self.sizes,
            "bad input": self.bad_input,
            "pickling": self.pickling,
            "fresh process": self.fresh_process,
        }

    def middle(self) -> tuple[float, ...]:
        knob = self.codec.knob
        return self.codec.knobs_at(_steps(knob)[KNOB_STEPS // 2] if knob.default is None else knob.default)

    @cached_property
    def file(self) -> bytes:
        """The picture's file in the middle of the range; `determinism` holds it against another."""
        return self.codec.encode(self.image.copy(), *self.middle())

    def names(self) -> None:
        codec = self.codec
        for key in ("name", "label", "suffix", "backend"):
            value = getattr(codec, key)
            _require(isinstance(value, str) and value.strip(), f"{key} is {value!r}; a text is needed")
        _require(codec.suffix.startswith("."), f"suffix {codec.suffix!r} does not start with a dot")
        _require(
            not set(codec.name) & set(":,= /\\"), f"name {codec.name!r} has a character that a spec needs: : , = /"
        )
        _require(any(c.isdigit() for c in codec.backend), f"backend {codec.backend!r} names no version")

    def options(self) -> None:
        options = self.codec.options
        for key, value in options.items():
            plain = isinstance(key, str) and isinstance(value, str | int | float | bool | None)
            _require(plain, f"options[{key!r}] is {value!r}; a text, number, truth value or None is needed")
        _require(json.loads(json.dumps(options)) == options, "options do not survive JSON")

    def knob(self) -> None:
        fine = [self.codec.fine_knob] if isinstance(self.codec, TwoKnobCodec) else []
        for knob in (self.codec.knob, *fine):
            _require(math.isfinite(knob.low) and math.isfinite(knob.high), f"{knob.name}: the range is not finite")
            _require(knob.low < knob.high, f"{knob.name}: low {knob.low:g} is not below high {knob.high:g}")
            _require(knob.low > 0 or not knob.log, f"{knob.name}: log needs values above 0, low is {knob.low:g}")
            inside = knob.default is None or knob.clip(knob.default) == knob.default
            _require(inside, f"{knob.name}: the default {knob.default} is not a value of the knob")
            at = [value for value, _ in knob.typical]
            rates = [rate if knob.rising else -rate for _, rate in knob.typical]
            _require(at == sorted(set(at)), f"{knob.name}: the typical points do not ascend in the knob")
            _require(rates == sorted(rates), f"{knob.name}: the typical rates contradict rising={knob.rising}")

    def round_trip(self) -> None:
        knob = self.codec.knob
        best = self.codec.encode(self.image, *self.codec.knobs_at(knob.high if knob.rising else knob.low))
        decoded = self._decoded(best, self.image.shape)
        error = float(np.mean((decoded.astype(float) - self.image) ** 2))
        spread = float(np.var(self.image.astype(float)))
        _require(error < 0.1 * spread, f"at its best quality the mean squared error is {error:.1f}: another picture?")

    def determinism(self) -> None:
        first = self.file
        second = self.codec.encode(self.image.copy(), *self.middle())
        _require(first == second, "the same picture and knob gave other bytes the second time")
        decoded, again = (self.codec.decode(first) for _ in range(2))
        _require(np.array_equal(decoded, again), "the same bytes gave another picture the second time")

    def input_untouched(self) -> None:
        given = self.image.copy()
        given.setflags(write=False)
        self.codec.encode(given, *self.middle())
        _require(np.array_equal(given, self.image), "encode changed the picture that it was given")

    def knob_direction(self) -> None:
        knob = self.codec.knob
        files = [self.codec.encode(self.image, *self.codec.knobs_at(value)) for value in _steps(knob)]
        ordered = files if knob.rising else files[::-1]
        sizes = [len(file) for file in ordered]
        way = "rises" if knob.rising else "falls"
        _require(sizes[0] < sizes[-1], f"the file does not grow as {knob.name} {way}: {sizes} bytes")
        errors = [
            np.mean((self.codec.decode(file).astype(float) - self.image) ** 2) for file in (ordered[0], ordered[-1])
        ]
        _require(errors[1] < errors[0], f"the picture does not get better as {knob.name} {way}")
        # now and then is within the contract: the search copes, and says so
        falls = sum(b < a for a, b in pairwise(sizes))
        _require(falls <= 1, f"the file shrinks {falls} times as {knob.name} {way}: {sizes} bytes")
        if isinstance(self.codec, TwoKnobCodec):
            self._fine_direction(self.codec)

    def _fine_direction(self, codec: TwoKnobCodec) -> None:
        fine, coarse = codec.fine_knob, self.middle()[0]
        low, high = (len(codec.encode(self.image, coarse, value)) for value in (fine.low, fine.high))
        smaller, larger = (low, high) if fine.rising else (high, low)
        _require(smaller < larger, f"{fine.name}: {low} bytes at {fine.low:g}, {high} at {fine.high:g}")

    def to_size(self) -> None:
        target = float(len(self.file))
        data, found = self.codec.encode_to_size(self.image, target)
        self._decoded(data, self.image.shape)
        said = f"{found.best.num_bytes} bytes for a target of {found.target:g}"
        _require(len(data) == found.best.num_bytes, f"it says {said}, the file has {len(data)} bytes")
        _require(found.target == target, f"it says {said}, {target:g} were asked for")
        _require(found.best in found.trace, "the best is not in the trace")

    def sizes(self) -> None:
        for height, width in SIZES:
            picture = np.ascontiguousarray(self.image[:height, :width])
            try:
                data = self.codec.encode(picture, *self.middle())
            except CodecError as error:
                _require(min(height, width) < SMALLEST, f"{width}×{height} is refused: {error}")
                continue
            self._decoded(data, picture.shape)

    def bad_input(self) -> None:
        for what, data in _damaged(self.file):
            try:
                self.codec.decode(data)
            except BitstreamError:
                continue
            except Exception as error:
                raise _BrokenError(f"{what} raise {type(error).__name__}, not BitstreamError: {error}") from None
            raise _BrokenError(f"{what} decode without a word")

    def pickling(self) -> None:
        copy = pickle.loads(self._pickled())  # noqa: S301  our own bytes
        same = copy.encode(self.image, *self.middle()) == self.file
        _require(same, "a pickled copy, as workers get it, writes other bytes")
        said = (self.codec.name, self.codec.backend, self.codec.options)
        _require(
            (copy.name, copy.backend, copy.options) == said, "a pickled copy has another name, back end or options"
        )

    def fresh_process(self) -> None:
        data = self.file
        with tempfile.TemporaryDirectory(prefix="isorate-check-") as name:
            folder = Path(name)
            (folder / "codec").write_bytes(self._pickled())
            (folder / "stream").write_bytes(data)
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
            done = subprocess.run(
                [sys.executable, "-c", _FRESH, name],
                capture_output=True, text=True, check=False, cwd=name, env=environment, timeout=DECODE_S,
            )  # fmt: skip
            _require(done.returncode == 0, f"decoding in a fresh process fails: {done.stderr.strip()[-400:]}")
            there = (folder / "decoded").read_bytes()
        here = self.codec.decode(data)
        _require(
            there == repr((here.shape, str(here.dtype))).encode() + here.tobytes(),
            "a fresh process decodes the same bytes to another picture: decode depends on more than the bytes",
        )

    def _pickled(self) -> bytes:
        if isinstance(self.pickled, str):
            raise _BrokenError(f"{self.pickled}; a codec that nobody used yet must pickle")
        return self.pickled

    def _decoded(self, data: bytes, shape: tuple[int, ...]) -> Image:
        _require(isinstance(data, bytes) and data, f"encode returned {type(data).__name__} of length {len(data)}")
        decoded = self.codec.decode(data)
        said = f"decoded shape {decoded.shape}, {decoded.dtype}; the picture has {shape}, uint8"
        _require(decoded.shape == shape and decoded.dtype == np.uint8, said)
        return decoded


def _pickled(codec: Codec) -> bytes | str:
    """Return the codec's pickle, or why there is none."""
    try:
        return pickle.dumps(codec)
    except Exception as error:  # whatever the codec's attributes raise
        return f"{type(error).__name__}: {error}"


def _damaged(good: bytes) -> Iterator[tuple[str, bytes]]:
    yield "no bytes", b""
    yield "bytes of a text", b"This is not a picture.\n" * 20
    yield "another format's bytes", b"\x89PNG\r\n\x1a\n" + good
    yield "the first half of a file", good[: len(good) // 2]
    yield "the first bytes of a file", good[:5]


def _steps(knob: Knob) -> list[float]:
    """Return values from the knob's low end to its high end, evenly spaced on its scale."""
    shares = [step / (KNOB_STEPS - 1) for step in range(KNOB_STEPS)]
    if knob.log:
        ratio = knob.high / knob.low
        values = [knob.clip(knob.low * ratio**share) for share in shares]
    else:
        values = [knob.clip(knob.low + share * (knob.high - knob.low)) for share in shares]
    return list(dict.fromkeys(values))


def check_metric(metric: Metric, image: Image | None = None) -> None:
    """Check a metric against the contract of docs/metrics.md.

    Identical pictures have the best value, a worse picture a worse one; equal input gives equal values; both pictures
    stay as they were; other shapes are refused; small pictures give a value or None; it pickles, and says what it is.

    Parameters
    ----------
    metric
        An instance; its class must be importable by name.
    image
        A picture for the checks; a photograph of 256×256 pixels by default.

    Raises
    ------
    ConformanceError
        When a check does not hold; the message names all of them.
    MetricUnavailableError
        When the metric cannot run here.
    """
    reference = frozen(_photograph() if image is None else image)
    _ = metric.implementation  # raises where it cannot run
    checks = {
        "names": _metric_says_what_it_is,
        "order": _metric_orders_pictures,
        "determinism": _metric_repeats,
        "bad input": _metric_refuses_shapes,
        "sizes": _metric_of_small,
    }
    _hold(f"metric {metric.name}", {name: partial(check, metric, reference) for name, check in checks.items()})


def _noisy(reference: Image, amount: int) -> Image:
    noise = np.random.default_rng(1).integers(-amount, amount + 1, reference.shape)
    return frozen(np.clip(reference + noise, 0, 255).astype(np.uint8))


def _metric_says_what_it_is(metric: Metric, _: Image) -> None:
    for key in ("name", "label", "measured_on", "implementation"):
        value = getattr(metric, key)
        _require(isinstance(value, str) and value.strip(), f"{key} is {value!r}; a text is needed")
    _require(metric.name.isidentifier(), f"name {metric.name!r} is no identifier; it is a column's name")
    _require(metric.name not in Row.__dataclass_fields__, f"name {metric.name!r} is a column of every run already")
    _require(any(c.isdigit() for c in metric.implementation), f"{metric.implementation!r} names no version")
    fits = metric.tolerance is None or (isinstance(metric.tolerance, float | int) and 0 <= metric.tolerance < math.inf)
    _require(fits, f"tolerance {metric.tolerance!r} is neither None nor a number from 0 on")
    _require(metric.scale in get_args(Scale), f"scale {metric.scale!r} is none of {', '.join(get_args(Scale))}")


def _metric_orders_pictures(metric: Metric, reference: Image) -> None:
    pictures = [reference, _noisy(reference, 3), _noisy(reference, 30)]
    values = [metric.measure(reference, frozen(picture)) for picture in pictures]
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    _require(len(numbers) == len(values), f"a photograph of {reference.shape} gives {values}")
    good, fair, bad = (quality(v, metric.scale, larger_is_better=metric.larger_is_better) for v in numbers)
    _require(good > fair > bad, f"identical, slightly and heavily disturbed pictures give {numbers}: not in this order")


def _metric_repeats(metric: Metric, reference: Image) -> None:
    copy = pickle.loads(pickle.dumps(metric))  # noqa: S301  our own bytes
    decoded = _noisy(reference, 8)
    values = [some.measure(reference, decoded) for some in (metric, metric, copy)]
    _require(values[0] == values[1] == values[2], f"the same pictures give {values}, the last by a pickled copy")


def _metric_refuses_shapes(metric: Metric, reference: Image) -> None:
    try:
        found = metric.measure(reference, frozen(reference[:-1]))
    except ImageError:
        return
    raise _BrokenError(f"a picture of another shape gives {found}, not an ImageError")


def _metric_of_small(metric: Metric, reference: Image) -> None:
    for height, width in SIZES:
        picture = frozen(reference[:height, :width])
        value = metric.measure(picture, _noisy(picture, 8))
        _require(value is None or isinstance(value, float), f"{width}×{height} pixels give {value!r}")
