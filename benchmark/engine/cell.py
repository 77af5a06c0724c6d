"""One cell of a run: an image at one operating point of the anchor, through every codec.

A cell is a pure function of bytes and configuration; it runs in a worker process and writes each row as it comes.
A row takes three steps: encode to the wanted size, decode the file, and measure its pixels.
"""

import hashlib
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from isorate.codecs.base import Codec, TwoKnobCodec, decoded_by
from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Source
from isorate.datasets.images import LoadedImage
from isorate.engine.cache import Cache, Decoded, Measured
from isorate.engine.encodes import Encodes
from isorate.engine.target import Target, at_quality_of, note, of_anchor, of_others
from isorate.errors import IsorateError, MatchError, RunError
from isorate.image import Image, pixels_sha256
from isorate.matching.outcome import Policy, Probe
from isorate.metrics import bpp, ms_ssim, psnr
from isorate.metrics.registry import measured_by
from isorate.pictures.names import readable
from isorate.runs.aim import Aim
from isorate.runs.equal_quality import NO_SIZE, at_quality
from isorate.runs.equal_rate import NO_VALUE, at_target, lacks_neighbour
from isorate.runs.folder import Run
from isorate.runs.lossless import pixels_of, to_lossless
from isorate.runs.manifest import BUILT_IN_AIMS
from isorate.runs.point import AnchorPoint
from isorate.runs.row import ANCHOR, MATCHED, AtQuality, Neighbour, Row


@dataclass(frozen=True, slots=True)
class PlannedCodec:
    """A codec of a run: its spec and the names it goes by there."""

    spec: CodecSpec
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What a worker needs to know: it travels by pickle.

    Attributes
    ----------
    run_path, cache_path
        The run folder, and the cache's or None.
    source
        The image.
    point
        The anchor's operating point.
    codecs
        The anchor first.
    policy, aim, tolerance_pct
        What codecs are driven to, and how near; the tolerance in percent is that of a rate for the anchor.
    metrics
        Further metrics by name, beside PSNR and MS-SSIM.
    generation
        Of the rows that are written, see :mod:`isorate.runs.shards`.
    known
        The cell's rows that are there already.
    failed
        The codecs whose rows failed in this start already, by their names in the run: they are not tried again.
    digest
        Of the run that it belongs to, see :meth:`isorate.runs.folder.Run.hold`; empty for whatever is there.
    """

    run_path: Path
    cache_path: Path | None
    source: Source
    point: AnchorPoint
    codecs: tuple[PlannedCodec, ...]
    policy: Policy
    aim: Aim
    tolerance_pct: float
    metrics: tuple[str, ...] = ()
    generation: int = 1
    known: tuple[Row, ...] = ()
    failed: frozenset[str] = frozenset()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The outcome of the first step.

    Attributes
    ----------
    knobs
        The values that were chosen.
    data, encode_s
        The whole file, and the wall-clock seconds of its encode.
    trace
        The probes in order: the knobs' values and the file's bytes.
    note
        What a reader must know of the match.
    beyond
        Where the size, or the quality, is outside the tolerance, the knobs and the whole file of the nearest one on the
        other side of the target; None where there is none.
    quality
        How the file meets a quality; None where none was asked for.
    """

    knobs: tuple[float, ...]
    data: bytes
    encode_s: float
    trace: list[list[float]]
    note: str = ""
    beyond: tuple[tuple[float, ...], bytes] | None = None
    quality: AtQuality | None = None


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row of a cell.

    Attributes
    ----------
    ok
        Whether it succeeded, now or in an earlier start.
    cached
        Whether it was written now and nothing of it had to be computed.
    """

    ok: bool
    cached: bool = False


@cache
def _codec(spec: CodecSpec) -> Codec:
    return spec.create()


def run_cell(cell: Cell) -> list[RowOutcome]:
    """Compute the cell's missing rows and return what became of each codec's row.

    Raises
    ------
    RunError
        When the run folder cannot be written, or holds another run by now; a failing codec is a ``failed: …`` row
        instead.
    """
    run = Run.open(cell.run_path)
    run.hold(cell.digest)
    run.join_generation(cell.generation)
    known = {row.codec: row for row in cell.known}
    cache_ = Cache(cell.cache_path)
    loaded = cell.source.load()
    run.write_original(cell.source.name, loaded.pixels)
    outcomes: list[RowOutcome] = []
    anchor: Row | None = None
    for entry in cell.codecs:
        if entry.name in cell.failed:
            outcomes.append(RowOutcome(ok=False))
            continue
        row = known.get(entry.name)
        cached = False
        if row is None or not is_done(row, cell, run):
            computed = cache_.computed
            row = _readable(_row(cell, entry, loaded, anchor, run, cache_))
            cached = row.ok and cache_.computed == computed
            run.write_row(row)
        if entry is cell.codecs[0] and row.ok:
            anchor = row
        outcomes.append(RowOutcome(row.ok, cached))
    return outcomes


def is_done(row: Row, cell: Cell, run: Run) -> bool:
    """Whether a row of a cell is not made anew: good, as rows are now, and with its files."""
    return row.ok and not lacks_neighbour(row, cell.aim.tolerance) and run.has_files(row)


def encode(cell: Cell, codec: Codec, loaded: LoadedImage, target: Target, cache_: Cache) -> Encoded:
    """Return the file that the policy prefers for a target, or without one the file at the cell's point.

    Raises
    ------
    IsorateError
        When the codec fails, or the policy refuses every file.
    """
    encodes = Encodes(codec, loaded, cache_)
    if target.goal is not None:
        made, reached = encodes.to_quality(target.goal, _quality_of(cell, codec, loaded, cache_))
        outside = abs(reached.gap) > cell.aim.tolerance
        other = encodes.beyond_quality(reached) if outside else None
        said = note(reached, outside=outside, bracketed=other is not None)
        quality = at_quality_of(cell.aim, target, reached)
        beyond = other and (other[0], other[1].data)
        return Encoded(reached.best.knobs, made.data, made.encode_s, _trace(reached.trace), said, beyond, quality)
    if target.num_bytes is None:
        knobs = codec.knobs_at(cell.point.value)
        made = encodes.at(*knobs)
        return Encoded(knobs, made.data, made.encode_s, [[*knobs, float(len(made.data))]])
    made, found = encodes.to_size(target.num_bytes, cell.tolerance_pct, cell.policy)
    outside = abs(found.residual_pct) > cell.tolerance_pct
    other = encodes.beyond(found) if outside else None
    said = note(found, outside=outside, bracketed=other is not None)
    return Encoded(
        found.best.knobs, made.data, made.encode_s, _trace(found.trace), said, other and (other[0], other[1].data)
    )


def _trace(probes: Sequence[Probe]) -> list[list[float]]:
    return [[*probe.knobs, float(probe.num_bytes)] for probe in probes]


def _quality_of(cell: Cell, codec: Codec, loaded: LoadedImage, cache_: Cache) -> Callable[[bytes], float]:
    """Return what measures a file's pixels on the scale of the metric that is held equal.

    It raises a MatchError where the metric is not defined for the picture.
    """
    aim = cell.aim

    def measured(data: bytes) -> float:
        pixels = cache(lambda: decoded_by(codec, data))
        decoded, found = decode_and_measure(cache_.decode_key(codec, data), pixels, loaded, cache_)
        if aim.name in BUILT_IN_AIMS:
            value: float | None = getattr(found, aim.name)
        else:
            value = further(loaded, decoded.sha256, pixels, [aim.name], cache_)[aim.name]
        if value is None:
            raise MatchError(f"{aim.label} is not defined for this picture, so there is none to match")
        return aim.height(value)

    return measured


def decode(codec: Codec, data: bytes, cache_: Cache) -> Decoded:
    """Return the pixels of a file as a lossless file.

    Raises
    ------
    IsorateError
        When the codec cannot decode its own file.
    """
    key = cache_.decode_key(codec, data)
    if cached := cache_.decoded(key):
        return cached
    start = time.perf_counter()
    pixels = decoded_by(codec, data)
    decode_s = time.perf_counter() - start
    file, suffix = to_lossless(pixels)
    decoded = Decoded(file, suffix, pixels_sha256(pixels), decode_s)
    cache_.keep_decoded(key, decoded)
    return decoded


def measure(loaded: LoadedImage, decoded: Decoded, pixels: Callable[[], Image], cache_: Cache) -> Measured:
    """Return what decoded pixels measure against the image."""
    key = cache_.measure_key(loaded.sha256, decoded.sha256)
    return cache_.measured(key) or _measure(loaded, pixels(), key, cache_)


def decode_and_measure(
    key: str, pixels: Callable[[], Image], loaded: LoadedImage, cache_: Cache
) -> tuple[Decoded, Measured]:
    """Return what a file's pixels measure against the image, and their checksum; no picture is made of them.

    Parameters
    ----------
    key
        The cache's of the decode.
    pixels
        Decodes the file; called where the cache does not know what it measures.
    loaded, cache_
        The image, and what is known already.

    Raises
    ------
    IsorateError
        When the codec cannot decode its own file.
    """
    known = cache_.decoded_sha256(key)
    if known and (cached := cache_.measured(cache_.measure_key(loaded.sha256, known.sha256))):
        return known, cached
    start = time.perf_counter()
    found = pixels()
    decode_s = time.perf_counter() - start
    decoded = Decoded.without_picture(pixels_sha256(found), decode_s)
    if known is None:
        cache_.keep_decoded(key, decoded)
    return decoded, _measure(loaded, found, cache_.measure_key(loaded.sha256, decoded.sha256), cache_)


def _measure(loaded: LoadedImage, pixels: Image, key: str, cache_: Cache) -> Measured:
    measured = Measured(psnr(loaded.pixels, pixels), ms_ssim(loaded.pixels, pixels))
    cache_.keep_measured(key, measured)
    return measured


def further(
    loaded: LoadedImage, decoded_sha256: str, pixels: Callable[[], Image], names: Sequence[str], cache_: Cache
) -> dict[str, float | None]:
    """Return what metrics beside PSNR and MS-SSIM measure, by name; `pixels` is called where the cache lacks one."""
    found: dict[str, float | None] = {}
    for name in names:
        key = cache_.metric_key(loaded.sha256, decoded_sha256, name)
        known = cache_.metric(key)
        if known is None:
            known = (measured_by(name, loaded.pixels, pixels()),)
            cache_.keep_metric(key, known[0])
        found[name] = known[0]
    return found


def _row(cell: Cell, entry: PlannedCodec, loaded: LoadedImage, anchor: Row | None, run: Run, cache_: Cache) -> Row:
    """Return the row of one codec, `failed: …` where it cannot be had; its files are written."""
    is_anchor = entry is cell.codecs[0]
    height, width = loaded.pixels.shape[:2]
    about: dict[str, Any] = {
        "image": cell.source.name, "width": width, "height": height, "image_sha256": loaded.sha256,
        "codec": entry.name, "label": entry.label, "role": ANCHOR if is_anchor else MATCHED, "point": cell.point.name,
    }  # fmt: skip
    try:
        if is_anchor:
            words = cell.point, entry.spec.name, cell.source.name, _num_pixels(loaded)
            target = of_anchor(*words, cell.aim, cell.policy)
        else:
            target = of_others(anchor, cell.aim, cell.policy)
        codec = _codec(entry.spec)
        encoded = encode(cell, codec, loaded, target, cache_)
        file = _file(cell, codec, encoded.data, loaded, run, cache_)
        place = cell.source.name, cell.point.name, entry.name
        num_bytes = len(encoded.data)
        row = Row(
            **about,
            backend=codec.backend,
            options=codec.options,
            knob_name=codec.knob.name,
            knob=encoded.knobs[0],
            lmbda=_knob_value(codec, encoded.knobs, "lmbda"),
            bin_size=_knob_value(codec, encoded.knobs, "bin_size"),
            target_bpp=target.bpp(num_bytes, _num_pixels(loaded)),
            num_bytes=num_bytes,
            header_bytes=codec.header_bytes(encoded.data),
            bpp=bpp(num_bytes, loaded.pixels),
            residual_pct=target.residual_pct(num_bytes),
            note=encoded.note,
            psnr=file.measured.psnr,
            ms_ssim=file.measured.ms_ssim,
            metrics=file.metrics,
            encode_s=encoded.encode_s,
            decode_s=file.decoded.decode_s,
            probes=len(encoded.trace),
            trace=encoded.trace,
            stream=run.write_stream(*place, codec.suffix, encoded.data),
            decoded=run.write_decoded(*place, file.picture) if file.decoded.file else "",
            stream_sha256=hashlib.sha256(encoded.data).hexdigest(),
            decoded_sha256=file.decoded.sha256,
            quality=encoded.quality,
        )
    except RunError:
        raise
    except (Exception, SystemExit) as error:  # an adapter may fail in any way, and the run goes on
        return Row(**about, status=f"failed: {_reason(error)}")
    if is_anchor or encoded.beyond is None:
        return row
    try:
        neighbour = _neighbour(cell, codec, encoded.beyond, loaded, run, row, cache_)
    except RunError:
        raise
    except (Exception, SystemExit) as error:
        missing = NO_VALUE if row.quality is None else NO_SIZE
        return replace(row, note=f"{row.note}; {missing}: {_reason(error)}")
    if row.quality is None:
        return replace(row, neighbour=neighbour, equal_rate=at_target(row, neighbour))
    equal = at_quality(row, neighbour, cell.aim.name, row.quality.target, run.manifest.scales)
    return replace(row, neighbour=neighbour, quality=replace(row.quality, equal=equal))


def _readable(row: Row) -> Row:
    """Return the row, or a failed one in its place: a row that nobody can read would take the whole run along."""
    if not (problem := row.problem()):
        return row
    return Row(
        image=row.image, width=row.width, height=row.height, image_sha256=row.image_sha256, codec=row.codec,
        label=row.label, role=row.role, point=row.point,
        status=f"failed: its codec or a metric gave what no row can hold: {readable(problem)}",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _File:
    """A file's pixels and what they measure."""

    decoded: Decoded
    measured: Measured
    metrics: dict[str, float | None]

    @property
    def picture(self) -> tuple[bytes, str]:
        """The pixels as a lossless file, and its ending."""
        return self.decoded.file, self.decoded.suffix


def _file(cell: Cell, codec: Codec, data: bytes, loaded: LoadedImage, run: Run, cache_: Cache) -> _File:
    """Return what a file decodes to and measures, with its picture where the run keeps pictures of the point."""
    if run.manifest.keeps_pictures(cell.point.name):
        decoded = decode(codec, data, cache_)
        pixels = cache(lambda: pixels_of(decoded.file))
        measured = measure(loaded, decoded, pixels, cache_)
    else:
        pixels = cache(lambda: decoded_by(codec, data))
        decoded, measured = decode_and_measure(cache_.decode_key(codec, data), pixels, loaded, cache_)
    return _File(decoded, measured, further(loaded, decoded.sha256, pixels, cell.metrics, cache_))


def _neighbour(
    cell: Cell,
    codec: Codec,
    beyond: tuple[tuple[float, ...], bytes],
    loaded: LoadedImage,
    run: Run,
    row: Row,
    cache_: Cache,
) -> Neighbour:
    """Return the file on the other side of the rate, measured; its stream and picture are written."""
    (knob, *fine), data = beyond
    file = _file(cell, codec, data, loaded, run, cache_)
    return Neighbour(
        knob=knob,
        fine=fine[0] if fine else None,
        num_bytes=len(data),
        psnr=file.measured.psnr,
        ms_ssim=file.measured.ms_ssim,
        metrics=file.metrics,
        stream=run.write_stream(*row.key, codec.suffix, data, neighbour=True),
        decoded=run.write_decoded(*row.key, file.picture, neighbour=True) if file.decoded.file else "",
        stream_sha256=hashlib.sha256(data).hexdigest(),
        decoded_sha256=file.decoded.sha256,
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, IsorateError):
        return readable(str(error))
    if isinstance(error, MemoryError):
        return "out of memory"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return readable(f"unexpected {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})")


def _num_pixels(loaded: LoadedImage) -> int:
    height, width = loaded.pixels.shape[:2]
    return int(height * width)


def _knob_value(codec: Codec, knobs: tuple[float, ...], name: str) -> float | None:
    names = [codec.knob.name, codec.fine_knob.name] if isinstance(codec, TwoKnobCodec) else [codec.knob.name]
    return knobs[names.index(name)] if name in names else None
