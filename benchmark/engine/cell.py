"""One cell of a run: an image at one operating point of the anchor, through every codec.

A cell is a pure function of bytes and configuration; it runs in a worker process and writes each row as it comes.
"""

import hashlib
import time
import traceback
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from isorate.codecs.base import Codec, TwoKnobCodec
from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Source
from isorate.datasets.images import LoadedImage, pixels_sha256
from isorate.engine.cache import Cache, Measured
from isorate.engine.points import AnchorPoint
from isorate.errors import IsorateError, RunError
from isorate.matching.codec import match_codec
from isorate.matching.search import Match, Policy
from isorate.metrics import bpp, ms_ssim, psnr
from isorate.runs.folder import Run
from isorate.runs.lossless import to_lossless
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
    target: float | None = None
    for rank, entry in enumerate(cell.codecs):
        row = run.row(cell.source.name, cell.point.name, entry.name)
        if row is None or not row.ok:
            work = _Work(cell, entry, run, cache_, loaded)
            row = work.row(None if rank == 0 else target, is_anchor=rank == 0)
            run.write_row(row)
        if rank == 0 and row.ok:
            target = row.num_bytes
        statuses.append(row.status)
    return statuses


class _Work:
    """One row in the making."""

    def __init__(self, cell: Cell, entry: PlannedCodec, run: Run, cache_: Cache, loaded: LoadedImage) -> None:
        self.cell, self.entry, self.run, self.cache = cell, entry, run, cache_
        self.image, self.image_sha256 = loaded.pixels, loaded.sha256
        self.streams: dict[tuple[float, ...], tuple[bytes, float]] = {}

    def row(self, target: float | None, *, is_anchor: bool) -> Row:
        height, width = self.image.shape[:2]
        blank = Row(
            image=self.cell.source.name,
            width=width,
            height=height,
            image_sha256=self.image_sha256,
            codec=self.entry.name,
            label=self.entry.label,
            point=self.cell.point.name,
            role=ANCHOR if is_anchor else MATCHED,
        )
        try:
            if target is None and not is_anchor:
                return replace(blank, status="failed: the anchor failed on this image, so there is no rate to match")
            return self._filled(blank, target, is_anchor=is_anchor)
        except RunError:
            raise
        except IsorateError as error:
            return replace(blank, status=f"failed: {error}")
        except MemoryError:
            return replace(blank, status="failed: out of memory")
        except Exception as error:  # an adapter may fail in any way, and the run goes on
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            return replace(blank, status=f"failed: unexpected {said}")

    def _filled(self, blank: Row, target: float | None, *, is_anchor: bool) -> Row:
        codec = _codec(self.entry.spec)
        blank = replace(blank, backend=codec.backend, options=codec.options, knob_name=codec.knob.name)
        point = self.cell.point
        rate = point.rate(self.entry.spec.name, self.cell.source.name) if is_anchor else None
        if rate is not None:
            target = rate * self.image.shape[0] * self.image.shape[1] / 8
        if target is None:
            knobs: tuple[float, ...] = (point.value,)
            if isinstance(codec, TwoKnobCodec):
                knobs += (codec.fine_default,)
            trace = [[*knobs, float(self._size(codec, *knobs))]]
            note = ""
        else:
            knobs, trace, note = self._matched(codec, target)
        data, encode_s = self.streams[knobs]
        return self._measured(blank, codec, knobs, data, encode_s, target, trace, note)

    def _matched(self, codec: Codec, target: float) -> tuple[tuple[float, ...], list[list[float]], str]:
        num_pixels = self.image.shape[0] * self.image.shape[1]
        policy, tolerance = self.cell.policy, self.cell.tolerance_pct
        found = match_codec(
            lambda *knobs: self._size(codec, *knobs),
            codec,
            target,
            num_pixels=num_pixels,
            tolerance_pct=tolerance,
            policy=policy,
            image=self.image,
        )
        trace = [[*probe.knobs, float(probe.num_bytes)] for probe in found.trace]
        return found.best.knobs, trace, _note(found, tolerance)

    def _size(self, codec: Codec, *knobs: float) -> int:
        key = self.cache.key(self.image_sha256, codec, *knobs)
        cached = self.cache.encode(key)
        if cached is None:
            start = time.perf_counter()
            data = codec.encode(self.image, *knobs)
            encode_s = time.perf_counter() - start
            if not data:
                raise IsorateError(f"{codec.name}: wrote an empty file at {codec.knob.name} {knobs[0]:g}")
            self.cache.keep_encode(key, data, encode_s)
        else:
            data, encode_s = cached.data, cached.encode_s
        self.streams[knobs] = data, encode_s
        return len(data)

    def _measured(
        self,
        blank: Row,
        codec: Codec,
        knobs: tuple[float, ...],
        data: bytes,
        encode_s: float,
        target: float | None,
        trace: list[list[float]],
        note: str,
    ) -> Row:
        key = self.cache.key(self.image_sha256, codec, *knobs)
        cached = self.cache.measured(key)
        if cached is None:
            start = time.perf_counter()
            decoded = codec.decode(data)
            decode_s = time.perf_counter() - start
            lossless = to_lossless(decoded)
            measured = Measured(
                psnr=psnr(self.image, decoded),
                ms_ssim=ms_ssim(self.image, decoded),
                decode_s=decode_s,
                decoded_sha256=pixels_sha256(decoded),
                suffix=lossless[1],
            )
            self.cache.keep_measured(key, measured, lossless[0])
        else:
            measured, lossless = cached[0], (cached[1], cached[0].suffix)
        place = (self.cell.source.name, self.cell.point.name, self.entry.name)
        rate = bpp(len(data), self.image)
        return replace(
            blank,
            knob=knobs[0],
            lmbda=_knob_value(codec, knobs, "lmbda"),
            bin_size=_knob_value(codec, knobs, "bin_size"),
            target_bpp=rate if target is None else bpp(target, self.image),
            num_bytes=len(data),
            header_bytes=codec.header_bytes(data),
            bpp=rate,
            residual_pct=0.0 if target is None else 100 * (len(data) / target - 1),
            note=note,
            psnr=measured.psnr,
            ms_ssim=measured.ms_ssim,
            encode_s=encode_s,
            decode_s=measured.decode_s,
            probes=len(trace),
            trace=trace,
            stream=self.run.write_stream(*place, codec.suffix, data),
            decoded=self.run.write_decoded(*place, lossless),
            stream_sha256=hashlib.sha256(data).hexdigest(),
            decoded_sha256=measured.decoded_sha256,
        )


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
