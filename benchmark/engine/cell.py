"""One cell of a run: an image at one operating point of the anchor, through every codec.

A cell is a pure function of bytes and configuration; it runs in a worker process and writes each row as it comes.
A row takes two steps: encode to the wanted size, and measure what the file decodes to.
"""

import hashlib
import time
import traceback
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from isorate.codecs.base import Codec, TwoKnobCodec
from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Source
from isorate.datasets.images import LoadedImage, pixels_sha256
from isorate.engine.cache import Cache, Measured
from isorate.engine.encodes import Encodes
from isorate.engine.points import rate_at
from isorate.errors import IsorateError, MatchError, RunError
from isorate.matching.outcome import Match, Policy
from isorate.metrics import bpp, ms_ssim, psnr
from isorate.runs.folder import Run
from isorate.runs.lossless import to_lossless
from isorate.runs.point import AnchorPoint
from isorate.runs.row import ANCHOR, MATCHED, Row


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
    policy, tolerance_pct
        How rates are matched.
    """

    run_path: Path
    cache_path: Path | None
    source: Source
    point: AnchorPoint
    codecs: tuple[PlannedCodec, ...]
    policy: Policy
    tolerance_pct: float


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
    """

    knobs: tuple[float, ...]
    data: bytes
    encode_s: float
    trace: list[list[float]]
    note: str = ""


@cache
def _codec(spec: CodecSpec) -> Codec:
    return spec.create()


def run_cell(cell: Cell) -> list[str]:
    """Compute the cell's missing rows and return the status of each codec's row.

    Raises
    ------
    RunError
        When the run folder cannot be written; a failing codec is a ``failed: …`` row instead.
    """
    run = Run.open(cell.run_path)
    cache_ = Cache(cell.cache_path)
    loaded = cell.source.load()
    run.write_original(cell.source.name, loaded.pixels)
    statuses: list[str] = []
    target: int | None = None
    for entry in cell.codecs:
        row = run.row(cell.source.name, cell.point.name, entry.name)
        if row is None or not row.ok:
            row = _row(cell, entry, loaded, target, run, cache_)
            run.write_row(row)
        if entry is cell.codecs[0] and row.ok:
            target = row.num_bytes
        statuses.append(row.status)
    return statuses


def encode(cell: Cell, codec: Codec, loaded: LoadedImage, target: float | None, cache_: Cache) -> Encoded:
    """Return the file of the size that the policy prefers for `target` bytes, or without a target at the cell's point.

    Raises
    ------
    IsorateError
        When the codec fails, or the policy refuses every size.
    """
    encodes = Encodes(codec, loaded, cache_)
    if target is None:
        fine = (codec.fine_default,) if isinstance(codec, TwoKnobCodec) else ()
        knobs: tuple[float, ...] = (cell.point.value, *fine)
        made = encodes.at(*knobs)
        return Encoded(knobs, made.data, made.encode_s, [[*knobs, float(len(made.data))]])
    made, found = encodes.to_size(target, cell.tolerance_pct, cell.policy)
    trace = [[*probe.knobs, float(probe.num_bytes)] for probe in found.trace]
    return Encoded(found.best.knobs, made.data, made.encode_s, trace, _note(found, cell.tolerance_pct))


def measure(codec: Codec, loaded: LoadedImage, encoded: Encoded, cache_: Cache) -> tuple[Measured, bytes]:
    """Return what the pixels decoded from the file measure, and these pixels as a lossless file.

    Raises
    ------
    IsorateError
        When the codec cannot decode its own file.
    """
    key = cache_.file_key(loaded.sha256, codec, encoded.data)
    if cached := cache_.measured(key):
        return cached
    start = time.perf_counter()
    decoded = codec.decode(encoded.data)
    decode_s = time.perf_counter() - start
    lossless, suffix = to_lossless(decoded)
    measured = Measured(
        psnr=psnr(loaded.pixels, decoded),
        ms_ssim=ms_ssim(loaded.pixels, decoded),
        decode_s=decode_s,
        decoded_sha256=pixels_sha256(decoded),
        suffix=suffix,
    )
    cache_.keep_measured(key, measured, lossless)
    return measured, lossless


def _row(
    cell: Cell, entry: PlannedCodec, loaded: LoadedImage, anchor_bytes: int | None, run: Run, cache_: Cache
) -> Row:
    """Return the row of one codec, `failed: …` where it cannot be had; its files are written."""
    is_anchor = entry is cell.codecs[0]
    height, width = loaded.pixels.shape[:2]
    about: dict[str, Any] = {
        "image": cell.source.name, "width": width, "height": height, "image_sha256": loaded.sha256,
        "codec": entry.name, "label": entry.label, "role": ANCHOR if is_anchor else MATCHED, "point": cell.point.name,
    }  # fmt: skip
    try:
        if is_anchor:
            rate = rate_at(cell.point, entry.spec.name, cell.source.name)
            target = None if rate is None else rate * _num_pixels(loaded) / 8
        elif anchor_bytes is None:
            raise MatchError("the anchor failed on this image, so there is no rate to match")
        else:
            target = anchor_bytes
        codec = _codec(entry.spec)
        encoded = encode(cell, codec, loaded, target, cache_)
        measured, lossless = measure(codec, loaded, encoded, cache_)
        place = cell.source.name, cell.point.name, entry.name
        num_bytes = len(encoded.data)
        rate = bpp(num_bytes, loaded.pixels)
        return Row(
            **about,
            backend=codec.backend,
            options=codec.options,
            knob_name=codec.knob.name,
            knob=encoded.knobs[0],
            lmbda=_knob_value(codec, encoded.knobs, "lmbda"),
            bin_size=_knob_value(codec, encoded.knobs, "bin_size"),
            target_bpp=rate if target is None else bpp(target, loaded.pixels),
            num_bytes=num_bytes,
            header_bytes=codec.header_bytes(encoded.data),
            bpp=rate,
            residual_pct=0.0 if target is None else 100 * (num_bytes / target - 1),
            note=encoded.note,
            psnr=measured.psnr,
            ms_ssim=measured.ms_ssim,
            encode_s=encoded.encode_s,
            decode_s=measured.decode_s,
            probes=len(encoded.trace),
            trace=encoded.trace,
            stream=run.write_stream(*place, codec.suffix, encoded.data),
            decoded=run.write_decoded(*place, (lossless, measured.suffix)),
            stream_sha256=hashlib.sha256(encoded.data).hexdigest(),
            decoded_sha256=measured.decoded_sha256,
        )
    except RunError:
        raise
    except (Exception, SystemExit) as error:  # an adapter may fail in any way, and the run goes on
        return Row(**about, status=f"failed: {_reason(error)}")


def _reason(error: BaseException) -> str:
    if isinstance(error, IsorateError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"


def _num_pixels(loaded: LoadedImage) -> int:
    height, width = loaded.pixels.shape[:2]
    return int(height * width)


def _knob_value(codec: Codec, knobs: tuple[float, ...], name: str) -> float | None:
    names = [codec.knob.name, codec.fine_knob.name] if isinstance(codec, TwoKnobCodec) else [codec.knob.name]
    return knobs[names.index(name)] if name in names else None


def _note(found: Match, tolerance_pct: float) -> str:
    notes = []
    if found.unreachable:
        side = "largest" if found.residual_pct < 0 else "smallest"
        notes.append(f"unreachable: this is the {side} file the knob can give")
    elif abs(found.residual_pct) > tolerance_pct:
        notes.append("outside tolerance")
    if not found.monotone:
        notes.append("sizes are not monotone in the knob")
    return "; ".join(notes)
