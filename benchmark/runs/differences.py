"""What two manifests say differently: whether a run can be continued, and what may explain other numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from isorate.metrics.identity import LIBRARIES
from isorate.runs.aim import SIZE
from isorate.runs.manifest import CodecEntry, ImageEntry, Manifest
from isorate.runs.point import AnchorPoint

MACHINE = ("system", "machine", "processor")
"""Of the platform, what can explain another number."""
EQUAL = ("match", "tolerance_quality")
"""What is held equal, and how near."""
UNDECIDED = {"hint", "backend", "identity", "image_class"}
"""What may change between two starts of the same run: how to install what is missing, what makes the rows, and images'
classes."""


def other_run(before: Manifest, now: Manifest) -> list[str]:
    """Return what makes `now` another run than `before`, each with its name; nothing where the run can be continued.

    A run is its data set, codecs, operating points, policy, what is held equal and the tolerance. Title, command,
    versions and machine may change; where that changed what makes the rows, :func:`outdated` says which are made anew.
    It may keep more than before; to keep less, files would have to be deleted that were asked for.
    """
    return [
        *_scalars(before, now, ("anchor", "policy", "tolerance_pct", *EQUAL), ""),
        *_scalars(before.dataset, now.dataset, ("name", "title", "licence", "citation", "source"), "the data set's "),
        *_entries("image", before.dataset.images, now.dataset.images),
        *_entries("codec", before.codecs, now.codecs),
        *_points(before, now),
        *_keep(before, now),
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


def _keep(before: Manifest, now: Manifest) -> Iterator[str]:
    if not now.keep.keeps(before.keep):
        yield f"keep was {before.keep}, is {now.keep} (what a run keeps is not deleted)"


def _points(before: Manifest, now: Manifest) -> Iterator[str]:
    if before.point_names != now.point_names:
        yield f"points was {_written(before.point_names)}, is {_written(now.point_names)}"
        return
    for old, new in zip(before.points, now.points, strict=True):
        # of an older manifest's point there is only the name
        if not (isinstance(old, AnchorPoint) and isinstance(new, AnchorPoint)):
            continue
        if old.pictures != new.pictures:
            kept = "without pictures", "with pictures"
            yield f"point {new.name} was {kept[old.pictures]}, is {kept[new.pictures]}"
        elif old != new:
            yield f"point {new.name} was at {old.knob or old.kind} {old.value:g}, is at {new.value:g}"


def _written(value: Any) -> str:
    return repr(list(value) if isinstance(value, tuple) else str(value) if isinstance(value, str) else value)


def outdated(before: Manifest, now: Manifest) -> dict[str, str]:
    """Return the codecs whose rows in a run of `before` another identity made than `now`'s, each with what changed.

    That is every codec where the metrics changed, and where the anchor's encoder did, whose files set the rates, or its
    decoder where they set a quality. An
    identity that an older version did not write counts as the same where back end and metrics' packages are.
    """
    measured = _metrics_change(before, now)
    found = {}
    anchor = now.codec(now.anchor)
    makes, driven = (("encode",), "rates") if now.match == SIZE else (("encode", "decode"), now.match)
    rates = _codec_change(before.codec(now.anchor), anchor, makes)
    for codec in now.codecs:
        why = measured or _codec_change(before.codec(codec.name), codec, ("encode", "decode"))
        if why or rates:
            found[codec.name] = why or f"it was driven to the anchor's {driven}; {rates}"
    return found


def _codec_change(old: CodecEntry, new: CodecEntry, directions: Iterable[str]) -> str:
    """Return what changed of a codec's identity, or nothing."""
    if old.backend != new.backend:
        return f"{new.name}: {old.backend or 'none'} → {new.backend or 'none'}"
    was, now = old.identity, new.identity
    if not (was.encode and now.encode) or all(getattr(was, name) == getattr(now, name) for name in directions):
        return ""
    return f"{new.name}: {'programs or scripts' if was.programs != now.programs else 'code or libraries'} changed"


def _metrics_change(before: Manifest, now: Manifest) -> str:
    """Return what changed of the metrics' identity, or nothing."""
    packages = [
        f"{name} {before.versions.get(name, 'none')} → {now.versions.get(name, 'none')}"
        for name in LIBRARIES
        if name in before.versions and before.versions[name] != now.versions.get(name)
    ]
    if before.metrics == now.metrics or not (before.metrics or packages):
        return _more_metrics_change(before, now)
    return f"the metrics: {', '.join(packages) or 'their code'} changed"


def _more_metrics_change(before: Manifest, now: Manifest) -> str:
    """Return what changed of the metrics beside PSNR and MS-SSIM, or nothing."""
    old, new = ({entry.name: entry for entry in some.more_metrics} for some in (before, now))
    parts = [f"{name} was not measured" for name in new if name not in old]
    parts += [f"{name} is not measured any more" for name in old if name not in new]
    for name in new:
        if name in old and old[name].identity != new[name].identity:
            was, now_is = old[name].implementation, new[name].implementation
            parts.append(f"{name}: {f'{was} → {now_is}' if was != now_is else 'its code'} changed")
    return f"the metrics: {', '.join(parts)}" if parts else ""


def version_differences(before: Manifest, after: Manifest) -> list[tuple[str, str]]:
    """Return what two manifests record differently: (codec or empty, text), the codecs first."""
    later = {codec.name: codec for codec in after.codecs}
    found = [
        (codec.name, text)
        for codec in before.codecs
        if codec.name in later and (text := _codec_change(codec, later[codec.name], ("encode", "decode")))
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
