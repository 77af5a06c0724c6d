"""Holding a run against a baseline, row by row, at equal rate."""

import math
from collections.abc import Iterator
from pathlib import Path

from isorate.codecs.base import Option
from isorate.errors import RunError
from isorate.gate.baseline import MORE_DIGITS, MS_SSIM_DIGITS, PSNR_DIGITS, Baseline, BaselineRow
from isorate.gate.findings import MS_SSIM, PSNR, RATE, Checked, CheckedRow, Figure, Finding, Kind, Measure
from isorate.gate.slopes import DEFAULT_MS_SSIM, DEFAULT_PSNR, NEIGHBOUR
from isorate.gate.tolerances import Tolerances
from isorate.gate.tool_chain import ToolChange, explanation, tool_changes
from isorate.metrics.base import Scale
from isorate.pictures.names import readable
from isorate.runs.equal_rate import Basis, at_size, basis, encloses
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
        When a row of the run is damaged, or lacks a metric that the baseline guards.
    UsageError
        When a metric has no tolerance.
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
        self._check_measured()
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

    def _check_measured(self) -> None:
        """Raise where the run says nothing of what the baseline guards: that is no pass."""
        entries = {entry.name: entry for entry in self.run.manifest.more_metrics}
        for name, was in self.baseline.metrics.items():
            lacking = [
                row for row in self.now.values() if row.ok and row.key in self.before and name not in row.metrics
            ]
            if name not in entries or lacking:
                what = f"{lacking[0].image}, {lacking[0].codec} has no" if name in entries else "the run has no"
                raise RunError(
                    f"{self.run.path}: {what} {name} ({was.label}), which the baseline guards; measure it: the same "
                    f"isorate run command with --metric {name}; or write the baseline without it: isorate baseline"
                )
            if was.measured_on != entries[name].measured_on:
                raise RunError(
                    f"{self.run.path}: {name} is measured on {entries[name].measured_on!r}, the baseline's on "
                    f"{was.measured_on!r}: these cannot be compared; write the baseline anew: isorate baseline"
                )

    def _configuration(self) -> Iterator[Finding]:
        manifest = self.run.manifest
        for key in ("anchor", "policy", "tolerance_pct", "match", "tolerance_quality"):
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
        for entry in self.run.manifest.more_metrics:
            if entry.name not in self.baseline.metrics:
                text = f"metric {entry.name} is not in the baseline, so nothing guards it yet; --accept adds it"
                yield Finding(Kind.NEW, "", "", "", text)
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
        along = slope_from and not encloses(row, before.bytes)
        unknown = tuple(name for name in before.metrics if before.slopes.get(name) is None) if along else ()
        checked = CheckedRow(*before.key, row.label, tuple(figures), slope_from, rate_change, same, unknown)
        self.checked.append(checked)
        line = self.lines.get(before.key)
        for figure in figures:
            if figure.loss > figure.allowed:
                yield Finding(Kind.WORSE, *before.key, figure.text, figure, self._explained(row, figure, before), line)
            elif -figure.loss > figure.allowed:
                if figure.about is RATE and (said := self._no_longer_reached(row, before)):
                    explained = self._explained(row, figure, before)
                    yield Finding(Kind.RATE, *before.key, f"{figure.text}; {said}", figure, explained, line)
                else:
                    yield Finding(Kind.BETTER, *before.key, figure.text, figure, line=line)
        if (row.ms_ssim is None) != (before.ms_ssim is None):
            yield Finding(Kind.DATA, *before.key, "MS-SSIM is defined on one side only", line=line)
        for name, was in before.metrics.items():
            if (row.value(name) is None) != (was is None):
                yield Finding(Kind.DATA, *before.key, f"{name} is defined on one side only", line=line)

    def _explained(self, row: Row, figure: Figure, before: BaselineRow) -> str:
        moved = self._target_moved(before)
        return explanation(self.changes, row.codec, figure.metric, self.baseline.anchor, rate_moved=moved)

    def _no_longer_reached(self, row: Row, before: BaselineRow) -> str:
        """Return in words that a smaller file is of a codec that came to the rate and does not any more; else nothing.

        Its quality is that of the lower rate, and corrected along a slope it can look like a gain.
        """
        aim = self.run.manifest.aim
        anchor = self.before.get((before.image, before.point, self.baseline.anchor))
        if anchor is None or not aim.of_size or basis(row, aim.tolerance) is not Basis.NONE:
            return ""
        was = 100 * (before.bytes / anchor.bytes - 1)
        if was < -self.baseline.tolerance_pct and before.slope_from != NEIGHBOUR:
            return ""  # nothing says that it ever made a larger file
        return f"{-row.residual:.1f} % below the rate, with no file above it" if row.residual < 0 else ""

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
            there = _at_rate(row, "psnr", before, "as it is")
            corrected = psnr_slope * doublings if there is None else row.psnr - there
            figures.append(self._figure(row, PSNR, was, round(row.psnr, PSNR_DIGITS), corrected))
        if row.ms_ssim is not None and before.ms_ssim is not None:
            slope = before.ms_ssim_slope
            slope = DEFAULT_MS_SSIM * (1 - before.ms_ssim) if slope is None else slope
            there = _at_rate(row, "ms_ssim", before, "similarity")
            corrected = slope * doublings if there is None else row.ms_ssim - there
            figures.append(self._figure(row, MS_SSIM, before.ms_ssim, round(row.ms_ssim, MS_SSIM_DIGITS), corrected))
        pixels = row.width * row.height
        figures.append(self._figure(row, RATE, 8 * before.bytes / pixels, 8 * row.num_bytes / pixels, 0.0))
        figures += self._further(row, before, doublings)
        return figures, slope_from if doublings else ""

    def _further(self, row: Row, before: BaselineRow, doublings: float) -> Iterator[Figure]:
        for entry in self.run.manifest.more_metrics:
            was, now, slope = before.metrics.get(entry.name), row.value(entry.name), before.slopes.get(entry.name)
            if was is None or now is None:
                continue
            unit = f" {entry.unit}" if entry.unit else ""
            about = Measure(entry.name, entry.label, entry.digits + 2, unit, entry.larger_is_better, entry.title)
            there = _at_rate(row, entry.name, before, entry.scale)
            corrected = now - there if there is not None else 0.0 if slope is None else slope * doublings
            now = now if math.isinf(now) else round(now, entry.digits + MORE_DIGITS)
            yield self._figure(row, about, math.inf if was == "inf" else was, now, corrected, entry.tolerance)

    def _figure(
        self, row: Row, about: Measure, before: float, after: float, corrected: float, own: float | None = None
    ) -> Figure:
        if math.isinf(before):  # identical pictures: no rate improves or excuses them
            allowed, corrected = 0.0, 0.0
            change = 0.0 if math.isinf(after) else -math.inf
        else:
            allowed = self.tolerances.of(row.codec, about.name, row.image, own).allowed(before)
            change = after - corrected - before
        return Figure(about.name, before, after, change, corrected, allowed, about)

    def _target_moved(self, before: BaselineRow) -> bool:
        anchor = (before.image, before.point, self.baseline.anchor)
        was, now = self.before.get(anchor), self.now.get(anchor)
        return was is not None and now is not None and was.bytes != now.num_bytes

    def _backend_change(self, codec: str) -> str:
        return "; ".join(change.text for change in self.changes if change.codec == codec)


def _at_rate(row: Row, metric: str, before: BaselineRow, scale: Scale) -> float | None:
    """Return what a row has at the baseline's rate, where that is another one and lies between its two files."""
    # of the same size its own value stands: from decibels it would come back with another last digit
    return None if row.num_bytes == before.bytes else at_size(row, metric, before.bytes, scale)


def _options(options: dict[str, Option]) -> str:
    return ", ".join(f"{key}={value}" for key, value in options.items()) or "none"
