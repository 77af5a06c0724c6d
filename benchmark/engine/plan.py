"""From a user's words to the list of cells, checked before anything runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Dataset
from isorate.engine.cell import Cell, PlannedCodec
from isorate.engine.objective import tolerance_of
from isorate.engine.points import check_point, default_points, parse_point
from isorate.errors import UsageError
from isorate.matching.outcome import Policy
from isorate.metrics.identity import metrics_identity
from isorate.metrics.registry import ALWAYS, check_names
from isorate.pictures.names import readable
from isorate.runs.aim import SIZE
from isorate.runs.keep import Keep
from isorate.runs.manifest import CodecEntry, DatasetEntry, ImageEntry, Manifest, MetricEntry, aim_of
from isorate.runs.point import AnchorPoint
from isorate.runs.provenance import git_commit, machine, versions

LARGEST_TOLERANCE = 1e6
"""Percent: ten thousand times the size."""
DEFAULT_ANCHOR = "learned"
DEFAULT_CODECS = ("learned", "bpg", "jpeg2000", "jpeg")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run is made of.

    Attributes
    ----------
    dataset
        The images.
    codecs
        The anchor first.
    points
        The anchor's operating points.
    policy, tolerance_pct
        How rates are matched.
    metrics
        Further metrics by name, beside PSNR and MS-SSIM.
    match, tolerance_quality
        What is held equal, see :class:`isorate.runs.manifest.Manifest`.
    keep
        What the run keeps beside its rows; None for what it keeps already, and in a new one everything.
    """

    dataset: Dataset
    codecs: tuple[PlannedCodec, ...]
    points: tuple[AnchorPoint, ...]
    policy: Policy
    tolerance_pct: float
    metrics: tuple[str, ...] = ()
    match: str = SIZE
    tolerance_quality: float | None = None
    keep: Keep | None = None

    def cells(self, run_path: Path, cache_path: Path | None) -> list[Cell]:
        """Return the cells, image by image; their paths are absolute, for workers that started in another folder."""
        aim = aim_of(self.match, self.tolerance_pct, self.tolerance_quality, tuple(map(MetricEntry.of, self.metrics)))
        absolute = run_path.absolute()
        return [
            Cell(
                absolute,
                cache_path,
                source,
                point,
                self.codecs,
                self.policy,
                aim,
                self.tolerance_pct,
                self.metrics,
            )
            for source in (replace(source, path=source.path.absolute()) for source in self.dataset.sources)
            for point in self.points
        ]


def make_plan(
    dataset: Dataset,
    anchor: CodecSpec,
    codecs: Sequence[CodecSpec],
    points: Sequence[str | AnchorPoint],
    policy: Policy,
    tolerance_pct: float,
    curve_points: Sequence[str] = (),
    metrics: Sequence[str] = (),
    match: str = SIZE,
    tolerance_quality: float | None = None,
    keep: Keep | None = None,
) -> Plan:
    """Return the plan.

    Parameters
    ----------
    dataset, anchor, codecs
        The images, the codec that sets the rates, and those that are driven to them.
    points
        Operating points as a user writes them, or as a manifest holds them; the anchor's default when empty.
    policy, tolerance_pct
        How rates are matched.
    curve_points
        Further points as a user writes them, whose decoded pictures are not kept.
    metrics
        Further metrics by name.
    match, tolerance_quality
        ``size``, or the metric that is held equal, and the gap that counts as matched; by default the metric's own.
    keep
        See :class:`Plan`.

    Raises
    ------
    UsageError
        For an unknown codec, option, point or metric, two codecs of one name, or a tolerance out of range.
    CodecUnavailableError
        When the anchor cannot run here.
    MetricUnavailableError
        When a metric cannot.
    """
    if not 0 < tolerance_pct <= LARGEST_TOLERANCE:
        raise UsageError(f"tolerance of {tolerance_pct} %: a number above 0, to {LARGEST_TOLERANCE:g}, is needed")
    if match != SIZE and policy is Policy.AT_MOST:
        raise UsageError(f"policy {policy}: it is one of sizes; with match {match!r} give nearest or strict")
    tolerance_quality = tolerance_of(match, tolerance_quality)
    if match not in (SIZE, *ALWAYS):
        metrics = (*metrics, match)
    specs = list(dict.fromkeys([anchor, *codecs]))
    entries = _entries(specs)
    adapter = anchor.create()
    _ = adapter.backend  # raises when the anchor cannot run here: without it there is no rate to match
    chosen = list(points) or default_points(anchor.name, adapter.knob, dataset.name)
    parsed = (
        *(p if isinstance(p, AnchorPoint) else parse_point(p, anchor.name, adapter.knob, match=match) for p in chosen),
        *(parse_point(text, anchor.name, adapter.knob, pictures=False, match=match) for text in curve_points),
    )
    for point in parsed:
        check_point(point, anchor.name, adapter.knob, match)
    if twice := [name for name, count in Counter(point.name for point in parsed).items() if count > 1]:
        raise UsageError(f"operating point {twice[0]} is given twice")
    return Plan(dataset, entries, parsed, policy, tolerance_pct, check_names(metrics), match, tolerance_quality, keep)


def _entries(specs: list[CodecSpec]) -> tuple[PlannedCodec, ...]:
    count = Counter(spec.name for spec in specs)
    entries = []
    for spec in specs:
        label, extra = spec.adapter().label, spec.options_text
        if count[spec.name] == 1 or not extra:
            entries.append(PlannedCodec(spec, spec.name, label))
        else:
            entries.append(PlannedCodec(spec, f"{spec.name}:{extra}", f"{label} ({extra})"))
    if twice := [name for name, number in Counter(entry.name for entry in entries).items() if number > 1]:
        raise UsageError(f"two codecs are called {twice[0]}, and rows need different names; rename the class of one")
    return tuple(entries)


def describe(plan: Plan, images: Sequence[ImageEntry], command: Sequence[str]) -> Manifest:
    """Return the manifest of a run of `plan`: what it compares, with what, on which machine, since now."""
    return Manifest(
        title=plan.dataset.title or readable(plan.dataset.name),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=tuple(readable(word) for word in command),
        dataset=DatasetEntry(
            name=readable(plan.dataset.name),
            title=plan.dataset.title,
            licence=plan.dataset.licence,
            citation=plan.dataset.citation,
            source=plan.dataset.source,
            images=tuple(images),
        ),
        anchor=plan.codecs[0].name,
        codecs=tuple(CodecEntry.of(entry.name, entry.label, entry.spec) for entry in plan.codecs),
        points=plan.points,
        policy=plan.policy,
        tolerance_pct=plan.tolerance_pct,
        match=plan.match,
        tolerance_quality=plan.tolerance_quality,
        keep=plan.keep or Keep.DECODED,
        metrics=metrics_identity(),
        more_metrics=tuple(map(MetricEntry.of, plan.metrics)),
        versions=versions(),
        platform=machine(),
        git_commit=git_commit(),
    )
