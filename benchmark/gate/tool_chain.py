"""Telling a change of the tool chain from a change of our code: by what the two manifests record."""

from dataclasses import dataclass

from isorate.gate.baseline import Baseline
from isorate.metrics.identity import LIBRARIES as METRIC_PACKAGES
from isorate.runs.manifest import Manifest

OURS = ("isorate", "python")
"""Our own version is no excuse, and the interpreter makes no number."""


@dataclass(frozen=True, slots=True)
class ToolChange:
    """A program or library that is not the baseline's.

    Attributes
    ----------
    codec
        The codec whose back end it is, or None for a package.
    name, before, after
        What it is and its versions; empty where it was or is not there.
    metric
        The further metric that it computes, or None.
    """

    codec: str | None
    name: str
    before: str
    after: str
    metric: str | None = None

    @property
    def text(self) -> str:
        """One line for a reader."""
        return f"{self.name}: {self.before or 'none'} → {self.after or 'none'}"


def tool_changes(baseline: Baseline, manifest: Manifest) -> list[ToolChange]:
    """Return what differs between the baseline's tool chain and the run's: codecs first, then packages.

    A codec's tool chain is its back end, and the programs and scripts of its identity. The code of an adapter is what
    the gate guards, isorate's as well as a plug-in's: a change of it is no excuse.
    """
    codecs = {codec.name: codec for codec in manifest.codecs}
    found = []
    for name, codec in baseline.codecs.items():
        here = codecs.get(name)
        if here is None or not here.backend:
            continue
        programs = here.identity.programs
        if here.backend != codec.backend:
            found.append(ToolChange(name, f"{name}'s back end", codec.backend, here.backend))
        elif codec.programs and programs not in (codec.programs, ""):
            found.append(ToolChange(name, f"{name}'s programs and scripts", codec.programs[:12], programs[:12]))
    for entry in manifest.more_metrics:
        was = baseline.metrics.get(entry.name)
        if was and was.implementation != entry.implementation:
            what = f"{entry.label}'s implementation"
            found.append(ToolChange(None, what, was.implementation, entry.implementation, entry.name))
    now = manifest.versions
    for package in sorted({*baseline.versions, *now} - set(OURS)):
        before, after = baseline.versions.get(package, ""), now.get(package, "")
        if before != after:
            found.append(ToolChange(None, package, before, after))
    return found


def explanation(changes: list[ToolChange], codec: str, metric: str, anchor: str, *, rate_moved: bool) -> str:
    """Return the changes that can explain a worse `metric` of a row of `codec`, or nothing.

    The codec's own back end can, a metric's package can, what computes this metric, and the anchor's back end where it
    moved the rate.
    """
    found = [
        change.text
        for change in changes
        if change.codec == codec
        or (change.codec is None and change.name in METRIC_PACKAGES)
        or change.metric == metric
        or (change.codec == anchor and rate_moved)
    ]
    return "; ".join(found)
