"""Holding a run against a baseline, row by row, at equal rate."""

import math
from collections.abc import Iterator
from pathlib import Path

from isorate.codecs.base import Option
from isorate.gate.baseline import MS_SSIM_DIGITS, PSNR_DIGITS, Baseline, BaselineRow
from isorate.gate.findings import Checked, CheckedRow, Figure, Finding, Kind
from isorate.gate.slopes import DEFAULT_MS_SSIM, DEFAULT_PSNR, NEIGHBOUR
from isorate.gate.tolerances import Tolerances
from isorate.gate.tool_chain import ToolChange, explanation, tool_changes
from isorate.pictures.names import readable
from isorate.runs.equal_rate import at_size, encloses
from isorate.runs.folder import Run
from isorate.runs.row import Key, Row

DEFAULT_SLOPE = "default"


def check(
    run: Run | Path | str,
    baseline: Baseline,
    tolerances: Tolerances,
    *,
    baseline_file: str = "",
    lines: dict[Key, int] | None = None,
) -> Checked:
    """Compare `run` with `baseline`.

    Parameters
    ----------
    run
        Any run, finished or not, or its folder.
    baseline
        What it is held against.
    tolerances
        By how much a figure may get worse.
    baseline_file, lines
        The baseline's name and the line of each of its rows, for messages.

    Raises
    ------
    RunError
        When a row of the run is damaged.
    """
    return _Check(Run.of(run), baseline, tolerances, lines or {}).result(baseline_file)


class _Check:
    """One comparison."""

    def __init__(self, run: Run, baseline: Baseline, tolerances: Tolerances, lines: dict[Key, int]) -> None:
        self.run, self.baseline, self.tolerances, self.lines = run, baseline, tolerances, lines
        self.changes: list[ToolChange] = tool_changes(baseline, run.manifest)
        self.now = {row.key: row for row in run.rows()}
        self.before = {row.key: row for row in baseline.rows}
        self.checked: list[CheckedRow] = []

    def result(self, baseline_file: str) -> Checked:
        findings = [*self._configuration(), *self._data(), *self._rows(), *self._new()]
        unfinished = self.run.manifest.unfinished(self.now)
        return Checked(
            readable(str(self.run.path)),
            readable(baseline_file),
            tuple(self.checked),
            tuple(findings),
            tuple(self.changes),
            unfinished,
        )

    def _configuration(self) -> Iterator[Finding]:
        manifest = self.run.manifest
        for key in ("anchor", "policy", "tolerance_pct"):
            before, now = getattr(self.baseline, key), getattr(manifest, key)
            if before != now:
                yield Finding(Kind.CONFIGURATION, "", "", "", f"{key} was {before}, is {now}")
        for codec in manifest.codecs:
            old = self.baseline.codecs.get(codec.name)
            if old and codec.available and old.options != codec.options:
                text = f"options were {_options(old.options)}, are {_options(codec.options)}"
                yield Finding(Kind.CONFIGURATION, "", "", codec.name, text)

    def _data(self) -> Iterator[Finding]:
        for name in self._changed_images():
            image = self.run.manifest.image(name)
            was = self.baseline.images[name]
            if image.error is not None:
                text = f"the picture cannot be read: {image.error}"
            else:
                now = f"{image.width}×{image.height}, SHA-256 {image.sha256[:12]}…"
                text = f"another picture: was {was.width}×{was.height}, SHA-256 {was.sha256[:12]}…, is {now}"
            yield Finding(Kind.DATA, name, "", "", f"{text}; its rows are not compared")

    def _changed_images(self) -> list[str]:
        now = {image.name: image.sha256 for image in self.run.manifest.dataset.images}
        return [name for name, was in self.baseline.images.items() if name in now and now[name] != was.sha256]

    def _rows(self) -> Iterator[Finding]:
        changed = set(self._changed_images())
        for key, before in self.before.items():
            if before.image in changed:
                continue
            row = self.now.get(key)
            line = self.lines.get(key)
            if row is None:
                text = "the baseline has it, the run does not (unfinished, or another configuration)"
                yield Finding(Kind.MISSING, *key, text, line=line)
            elif row.ok and not row.complete:
                yield Finding(Kind.FAILED, *key, "the row has no size or no PSNR: its file is damaged", line=line)
            elif not row.ok:
                yield Finding(Kind.FAILED, *key, row.status, explained=self._backend_change(row.codec), line=line)
            else:
                yield from self._compared(row, before)

    def _new(self) -> Iterator[Finding]:
        for key, row in self.now.items():
            if key in self.before:
                continue
            if row.ok:
                yield Finding(Kind.NEW, *key, "not in the baseline, so nothing guards it yet; --accept adds it")
            else:
                yield Finding(Kind.FAILED, *key, row.status)

    def _compared(self, row: Row, before: BaselineRow) -> Iterator[Finding]:
        figures, slope_from = self._figures(row, before)
        assert row.num_bytes is not None
        rate_change = 100 * (row.num_bytes / before.bytes - 1)
        same = row.stream_sha256.startswith(before.stream)
        checked = CheckedRow(*before.key, row.label, tuple(figures), slope_from, rate_change, same)
        self.checked.append(checked)
        line = self.lines.get(before.key)
        for figure in figures:
            if figure.loss > figure.allowed:
                explained = explanation(
                    self.changes, row.codec, self.baseline.anchor, rate_moved=self._target_moved(before)
                )
                yield Finding(Kind.WORSE, *before.key, figure.text, figure, explained, line)
            elif -figure.loss > figure.allowed:
                yield Finding(Kind.BETTER, *before.key, figure.text, figure, line=line)
        if (row.ms_ssim is None) != (before.ms_ssim is None):
            yield Finding(Kind.DATA, *before.key, "MS-SSIM is defined on one side only", line=line)

    def _figures(self, row: Row, before: BaselineRow) -> tuple[list[Figure], str]:
        assert row.num_bytes is not None
        doublings = math.log2(row.num_bytes / before.bytes)
        figures = []
        slope_from = before.slope_from or DEFAULT_SLOPE
        psnr_slope = DEFAULT_PSNR if before.psnr_slope is None else before.psnr_slope
        if encloses(row, before.bytes):  # both files are measured: no slope of another day is needed
            slope_from = NEIGHBOUR
        if row.psnr is not None:
            was = math.inf if before.psnr is None else before.psnr
            there = at_size(row, "psnr", before.bytes, "as it is")
            corrected = psnr_slope * doublings if there is None else row.psnr - there
            figures.append(self._figure(row, "psnr", was, round(row.psnr, PSNR_DIGITS), corrected))
        if row.ms_ssim is not None and before.ms_ssim is not None:
            slope = before.ms_ssim_slope
            slope = DEFAULT_MS_SSIM * (1 - before.ms_ssim) if slope is None else slope
            there = at_size(row, "ms_ssim", before.bytes, "similarity")
            corrected = slope * doublings if there is None else row.ms_ssim - there
            figures.append(self._figure(row, "ms_ssim", before.ms_ssim, round(row.ms_ssim, MS_SSIM_DIGITS), corrected))
        pixels = row.width * row.height
        figures.append(self._figure(row, "bpp", 8 * before.bytes / pixels, 8 * row.num_bytes / pixels, 0.0))
        return figures, slope_from if doublings else ""

    def _figure(self, row: Row, metric: str, before: float, after: float, corrected: float) -> Figure:
        if math.isinf(before):  # identical pictures: no rate improves or excuses them
            allowed, corrected = 0.0, 0.0
            change = 0.0 if math.isinf(after) else -math.inf
        else:
            allowed = self.tolerances.of(row.codec, metric, row.image).allowed(before)
            change = after - corrected - before
        return Figure(metric, before, after, change, corrected, allowed)

    def _target_moved(self, before: BaselineRow) -> bool:
        anchor = (before.image, before.point, self.baseline.anchor)
        was, now = self.before.get(anchor), self.now.get(anchor)
        return was is not None and now is not None and was.bytes != now.num_bytes

    def _backend_change(self, codec: str) -> str:
        return "; ".join(change.text for change in self.changes if change.codec == codec)


def _options(options: dict[str, Option]) -> str:
    return ", ".join(f"{key}={value}" for key, value in options.items()) or "none"
