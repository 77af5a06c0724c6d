"""What two manifests say differently: whether a run can be continued, and what may explain other numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from isorate.runs.manifest import CodecEntry, ImageEntry, Manifest
from isorate.runs.point import AnchorPoint

MACHINE = ("system", "machine", "processor")
"""Of the platform, what can explain another number."""
UNDECIDED = {"hint"}
"""What may change between two starts of the same run: how to install what is missing."""


def other_run(before: Manifest, now: Manifest) -> list[str]:
    """Return what makes `now` another run than `before`, each with its name; nothing where the run can be continued.

    A run is its data set, codecs, operating points, policy and tolerance. Title, command, versions and machine may
    change.
    """
    return [
        *_scalars(before, now, ("anchor", "policy", "tolerance_pct"), ""),
        *_scalars(before.dataset, now.dataset, ("name", "title", "licence", "citation"), "the data set's "),
        *_entries("image", before.dataset.images, now.dataset.images),
        *_entries("codec", before.codecs, now.codecs),
        *_points(before, now),
    ]


def _scalars(before: Any, now: Any, names: Iterable[str], whose: str) -> Iterator[str]:
    for name in names:
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            yield f"{whose}{name} was {_written(old)}, is {_written(new)}"


def _entries(
    what: str, before: tuple[ImageEntry | CodecEntry, ...], now: tuple[ImageEntry | CodecEntry, ...]
) -> Iterator[str]:
    old, new = {entry.name: entry for entry in before}, {entry.name: entry for entry in now}
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield f"{what} {name} is not in it any more"
        elif name not in old:
            yield f"{what} {name} was not in it"
        else:
            kept = [field.name for field in fields(old[name]) if field.name not in UNDECIDED]
            yield from _scalars(old[name], new[name], kept, f"{what} {name}: ")
    if set(old) == set(new) and list(old) != list(new):
        yield f"the {what}s were in the order {', '.join(old)}, are in the order {', '.join(new)}"


def _points(before: Manifest, now: Manifest) -> Iterator[str]:
    if before.point_names != now.point_names:
        yield f"points was {_written(before.point_names)}, is {_written(now.point_names)}"
        return
    for old, new in zip(before.points, now.points, strict=True):
        # of an older manifest's point there is only the name
        if isinstance(old, AnchorPoint) and isinstance(new, AnchorPoint) and old != new:
            yield f"point {new.name} was at {old.knob or old.kind} {old.value:g}, is at {new.value:g}"


def _written(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else str(value) if isinstance(value, str) else value)


def version_differences(before: Manifest, after: Manifest) -> list[tuple[str, str]]:
    """Return what two manifests record differently: (codec or empty, text), the back ends first."""
    backends = {codec.name: codec.backend for codec in after.codecs}
    found = [
        (codec.name, f"{codec.name}: {codec.backend or 'none'} → {backends[codec.name] or 'none'}")
        for codec in before.codecs
        if codec.name in backends and codec.backend != backends[codec.name]
    ]
    for name in sorted({*before.versions, *after.versions}):
        old, new = before.versions.get(name, "none"), after.versions.get(name, "none")
        if old != new:
            found.append(("", f"{name} {old} → {new}"))
    if before.git_commit != after.git_commit:
        commits = ((before.git_commit or "none")[:12], (after.git_commit or "none")[:12])
        found.append(("", f"commit {commits[0]} → {commits[1]}"))
    for name in MACHINE:
        now, then = after.platform.get(name), before.platform.get(name)
        if now != then:
            found.append(("", f"{name} {then} → {now}"))
    return found
