"""What a codec gains around a row when its rate doubles: PSNR and MS-SSIM are compared at equal rate along it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isorate.codecs.base import Codec, Knob, TwoKnobCodec
from isorate.errors import MetricUnavailableError, UsageError
from isorate.image import Image
from isorate.metrics import ms_ssim, psnr
from isorate.metrics.registry import measured_by, metric_identity
from isorate.runs.manifest import MetricEntry
from isorate.runs.row import Row

DEFAULT_PSNR = 3.0
"""dB a doubling where nothing was measured: BPG on Kodak has medians of 2.2 below 0.3 bpp and 3.6 up to 1 bpp."""
DEFAULT_MS_SSIM = 0.6
"""The same for MS-SSIM, as a share of what is missing to 1 (BPG on Kodak: 0.5 and 0.75)."""

NEAREST, FARTHEST = 0.04, 1.5
"""The doublings that may lie between two rows for a slope: nearer is noise, farther is not local."""
NEIGHBOUR = "neighbour"
"""What a slope comes from that a row's own neighbour gives."""
STEP = 0.15
"""How far from the row, in doublings, the second encode is looked for."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Gains when the rate doubles; None where it is not defined."""

    psnr: float | None
    ms_ssim: float | None
    more: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One file of a codec and an image: what a slope is computed from."""

    num_bytes: int
    psnr: float | None
    ms_ssim: float | None
    more: Mapping[str, float | None] = field(default_factory=dict)


def between(first: Measurement, second: Measurement, metrics: Sequence[MetricEntry] = ()) -> Slope | None:
    """Return the slope through two files, or None where their rates are too near or too far apart.

    `metrics` says of which further ones, and in which direction each is better.
    """
    doublings = math.log2(second.num_bytes / first.num_bytes)
    if not NEAREST <= abs(doublings) <= FARTHEST:
        return None

    def gain(a: float | None, b: float | None, *, rising: bool = True) -> float | None:
        if a is None or b is None or math.isinf(a) or math.isinf(b):
            return None
        # More bits never make a codec worse but by noise, and a slope that says so would turn a correction around.
        return max((b - a) / doublings, 0.0) if rising else min((b - a) / doublings, 0.0)

    more = {
        entry.name: gain(first.more.get(entry.name), second.more.get(entry.name), rising=entry.larger_is_better)
        for entry in metrics
    }
    return Slope(gain(first.psnr, second.psnr), gain(first.ms_ssim, second.ms_ssim), more)


def from_points(row: Row, others: Iterable[Row], metrics: Sequence[MetricEntry] = ()) -> Slope | None:
    """Return the slope to the nearest of the run's other operating points of the same image and codec."""
    here = measurement(row)
    found = [there for other in others if (there := measurement(other)) and here and between(here, there)]
    if here is None or not found:
        return None
    return between(here, min(found, key=lambda there: abs(math.log2(there.num_bytes / here.num_bytes))), metrics)


def from_neighbour(row: Row, metrics: Sequence[MetricEntry] = ()) -> Slope | None:
    """Return the slope to the row's neighbour, where it has one (:class:`isorate.runs.row.Neighbour`)."""
    here, beside = measurement(row), row.neighbour
    if here is None or beside is None:
        return None
    return between(here, Measurement(beside.num_bytes, beside.psnr, beside.ms_ssim, beside.metrics), metrics)


def measurement(row: Row) -> Measurement | None:
    """Return the row's file, or None for a failed row."""
    return Measurement(row.num_bytes, row.psnr, row.ms_ssim, row.metrics) if row.complete and row.num_bytes else None


def from_probe(row: Row, codec: Codec, image: Image, metrics: Sequence[MetricEntry] = ()) -> Slope | None:
    """Return the slope to a second encode beside the row, made and measured now.

    It lacks those further metrics that what is installed here measures in another way than the run.

    The knob comes from the row's trace where a probe lies near, else from a small turn of the knob.
    """
    here = measurement(row)
    if here is None or row.knob is None:
        return None
    for knobs in _beside(row, codec):
        data = codec.encode(image, *knobs)
        if not NEAREST <= abs(math.log2(len(data) / here.num_bytes)) <= FARTHEST:
            continue
        decoded = codec.decode(data)
        more = {entry.name: measured_by(entry.name, image, decoded) for entry in metrics if _here(entry)}
        return between(here, Measurement(len(data), psnr(image, decoded), ms_ssim(image, decoded), more), metrics)
    return None


def _here(entry: MetricEntry) -> bool:
    try:
        return metric_identity(entry.name) == entry.identity
    except (MetricUnavailableError, UsageError):
        return False


def _beside(row: Row, codec: Codec) -> list[tuple[float, ...]]:
    """Return knob values to try, the most promising first."""
    assert row.num_bytes is not None
    assert row.knob is not None
    distances = [
        (abs(abs(math.log2(probe[-1] / row.num_bytes)) - STEP), tuple(probe[:-1]))
        for probe in row.trace
        if probe[-1] > 0
    ]
    from_trace = [knobs for distance, knobs in sorted(distances) if distance < STEP - NEAREST]
    fine = (row.bin_size,) if isinstance(codec, TwoKnobCodec) and row.bin_size is not None else ()
    turned = [(value, *fine) for value in _turns(codec.knob, row.knob)]
    return from_trace[:1] + turned


def _turns(knob: Knob, at: float) -> list[float]:
    span = knob.high - knob.low
    found = []
    for share in (0.02, 0.06, 0.15):
        for sign in (1, -1):
            step = sign * (max(1.0, round(share * span)) if knob.integer else share * span)
            value = knob.clip(at * (1 + sign * 5 * share) if knob.log and not knob.integer else at + step)
            if value != at:
                found.append(value)
    return found
