"""The manifest's schema: what the gate, compare and reproduce rely on."""

from typing import Any, NotRequired, TypedDict

from isorate.codecs.base import Option
from isorate.errors import RunError
from isorate.store import Run
from isorate.typed import mismatch


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
