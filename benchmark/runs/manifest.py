"""The manifest's schema: what the gate, compare and reproduce rely on."""

from typing import Any, NotRequired, TypedDict

from isorate.codecs.base import Option
from isorate.errors import RunError
from isorate.files.typed import mismatch
from isorate.runs.folder import Run

MACHINE = ("system", "machine", "processor")
"""Of the platform, what can explain another number."""


class ImageEntry(TypedDict):
    """An image; without size and checksums, and with `error`, where it could not be read."""

    name: str
    width: NotRequired[int]
    height: NotRequired[int]
    sha256: NotRequired[str]
    error: NotRequired[str]


class DatasetEntry(TypedDict):
    """The images and what their publisher says."""

    name: str
    images: list[ImageEntry]


class CodecEntry(TypedDict):
    """A codec of the run."""

    name: str
    spec: str
    backend: str
    options: dict[str, Option]
    available: bool
    command_line: NotRequired[dict[str, Any]]


class Manifest(TypedDict):
    """What a run was made of."""

    dataset: DatasetEntry
    anchor: str
    codecs: list[CodecEntry]
    points: list[str]
    policy: str
    tolerance_pct: float
    versions: dict[str, str]
    platform: dict[str, str | int]


def check_manifest(run: Run) -> None:
    """Raise unless the run's manifest is whole.

    Raises
    ------
    RunError
        When something is missing or of another type; the message names it.
    """
    wrong = mismatch(run.manifest, Manifest, "manifest")
    if not wrong:
        for image in run.manifest["dataset"]["images"]:
            if "error" not in image and not {"width", "height", "sha256"} <= set(image):
                wrong = f"manifest.dataset.images: {image['name']} has no size or checksum"
    if wrong:
        raise RunError(
            f"{run.path / 'manifest.json'}: damaged: {wrong}; run the same isorate run command with --overwrite"
        )


def version_differences(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what two manifests record differently: (codec or empty, text), the back ends first."""
    backends = {codec["name"]: codec["backend"] for codec in after["codecs"]}
    found = [
        (codec["name"], f"{codec['name']}: {codec['backend'] or 'none'} → {backends[codec['name']] or 'none'}")
        for codec in before["codecs"]
        if codec["name"] in backends and codec["backend"] != backends[codec["name"]]
    ]
    for name in sorted({*before["versions"], *after["versions"]}):
        old, new = before["versions"].get(name, "none"), after["versions"].get(name, "none")
        if old != new:
            found.append(("", f"{name} {old} → {new}"))
    if before.get("git_commit") != after.get("git_commit"):
        commits = (str(before.get("git_commit") or "none")[:12], str(after.get("git_commit") or "none")[:12])
        found.append(("", f"commit {commits[0]} → {commits[1]}"))
    for name in MACHINE:
        old, new = before["platform"].get(name), after["platform"].get(name)
        if old != new:
            found.append(("", f"{name} {old} → {new}"))
    return found
