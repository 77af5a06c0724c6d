"""From a user's words to the list of cells, checked before anything runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from isorate.codecs.base import Knob
from isorate.codecs.command_line import CommandLine
from isorate.codecs.registry import CodecSpec
from isorate.datasets.base import Dataset
from isorate.datasets.images import load_image
from isorate.engine.cell import Cell, PlannedCodec
from isorate.engine.points import AnchorPoint, default_points
from isorate.errors import CodecUnavailableError, ImageError, UsageError
from isorate.matching.search import Policy
from isorate.runs.provenance import git_commit, machine, versions

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
    """

    dataset: Dataset
    codecs: tuple[PlannedCodec, ...]
    points: tuple[AnchorPoint, ...]
    policy: Policy
    tolerance_pct: float

    def cells(self, run_path: Path, cache_path: Path | None) -> list[Cell]:
        """Return the cells, image by image."""
        return [
            Cell(run_path, cache_path, source, point, self.codecs, self.policy, self.tolerance_pct)
            for source in self.dataset.sources
            for point in self.points
        ]


def make_plan(
    dataset: Dataset,
    anchor: CodecSpec,
    codecs: Sequence[CodecSpec],
    points: Sequence[str],
    policy: Policy,
    tolerance_pct: float,
) -> Plan:
    """Return the plan.

    Raises
    ------
    UsageError
        For an unknown codec, option or point, two codecs of one name, or a tolerance that is not positive.
    CodecUnavailableError
        When the anchor cannot run here.
    """
    if not tolerance_pct > 0:
        raise UsageError(f"tolerance of {tolerance_pct} %: a number above 0 is needed")
    specs = list(dict.fromkeys([anchor, *codecs]))
    entries = _entries(specs)
    adapter = anchor.create()
    _ = adapter.backend  # raises when the anchor cannot run here: without it there is no rate to match
    chosen = list(points) or default_points(anchor.name, adapter.knob, dataset.name)
    parsed = tuple(AnchorPoint.parse(text, anchor.name, adapter.knob) for text in chosen)
    if twice := [name for name, count in Counter(point.name for point in parsed).items() if count > 1]:
        raise UsageError(f"operating point {twice[0]} is given twice")
    return Plan(dataset, entries, parsed, policy, tolerance_pct)


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


def describe(plan: Plan) -> dict[str, Any]:
    """Return the manifest of a run of `plan`: what it compares, with what, on which machine."""
    return {
        "dataset": {
            "name": plan.dataset.name,
            "title": plan.dataset.title,
            "licence": plan.dataset.licence,
            "citation": plan.dataset.citation,
            "images": [_describe_image(source.name, source.path) for source in plan.dataset.sources],
        },
        "anchor": plan.codecs[0].name,
        "codecs": [_describe_codec(entry) for entry in plan.codecs],
        "points": [point.name for point in plan.points],
        "policy": str(plan.policy),
        "tolerance_pct": plan.tolerance_pct,
        "versions": versions(),
        "platform": machine(),
        "git_commit": git_commit(),
    }


def spec_of(described: dict[str, Any]) -> CodecSpec:
    """Return the spec of one of a manifest's codecs, a configured command line included."""
    spec = CodecSpec.parse(described["spec"])
    command_line = described.get("command_line")
    return replace(spec, command_line=CommandLine.from_json(command_line)) if command_line else spec


def _describe_image(name: str, path: Path) -> dict[str, Any]:
    try:
        loaded = load_image(path)
    except ImageError as error:
        return {"name": name, "file": path.name, "error": str(error)}
    height, width = loaded.pixels.shape[:2]
    return {
        "name": name,
        "file": path.name,
        "width": width,
        "height": height,
        "sha256": loaded.sha256,
        "source_sha256": loaded.file_sha256,
        "lossy": loaded.lossy,
        "notes": list(loaded.notes),
    }


def _describe_codec(entry: PlannedCodec) -> dict[str, Any]:
    base: dict[str, Any] = {"name": entry.name, "label": entry.label, "spec": entry.spec.text}
    if entry.spec.command_line is not None:
        base["command_line"] = asdict(entry.spec.command_line)
    try:
        codec = entry.spec.create()
        knob: Knob = codec.knob
        return {
            **base,
            "backend": codec.backend,
            "options": codec.options,
            "knob": {
                "name": knob.name, "low": knob.low, "high": knob.high, "integer": knob.integer, "rising": knob.rising,
            },
            "available": True,
            "hint": "",
        }  # fmt: skip
    except CodecUnavailableError as error:
        return {**base, "backend": "", "options": {}, "knob": None, "available": False, "hint": str(error)}
