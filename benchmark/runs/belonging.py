"""Which rows are a run's: what another configuration left, or still writes, in its folder counts for nothing."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from isorate.runs.aim import SIZE
from isorate.runs.manifest import ImageEntry, Manifest
from isorate.runs.row import ANCHOR, Row


def belongs(manifest: Manifest, images: Mapping[str, ImageEntry]) -> Callable[[Row], bool]:
    """Return what tells whether a row is one that the manifest describes; `images` are the manifest's by name.

    That is its image, operating point and codec, and of a good row what the codec was given: samples, options, and what
    was held equal.
    """
    points = frozenset(manifest.point_names)
    options = {codec.name: codec.options if codec.available else {} for codec in manifest.codecs}

    def described(row: Row) -> bool:
        image = images.get(row.image)
        if image is None or row.point not in points or row.codec not in options:
            return False
        if not row.ok:
            return True
        of_codec = options[row.codec]
        return (
            (row.role == ANCHOR) == (row.codec == manifest.anchor)
            and (row.width, row.height, row.image_sha256) == (image.width, image.height, image.sha256)
            # a manifest knows no options of a codec that could not run where the run began
            and (row.options == of_codec or not (row.options and of_codec))
            and (row.role == ANCHOR or (SIZE if row.quality is None else row.quality.metric) == manifest.match)
        )

    return described


def run_digest(manifest: Manifest) -> str:
    """Return a digest that two manifests share where each one's rows are rows of the other, file by file.

    When a run began, how it is called and what it keeps does not count.
    """
    about = {
        "dataset": [(image.name, image.sha256) for image in manifest.dataset.images],
        "codecs": [replace(codec, hint="", label="") for codec in manifest.codecs],
        "metrics": (manifest.metrics, [(entry.name, entry.identity) for entry in manifest.more_metrics]),
        "driven": (
            manifest.anchor, manifest.points, manifest.policy, manifest.tolerance_pct, manifest.match,
            manifest.tolerance_quality,
        ),
    }  # fmt: skip
    # a bound that was given as 1 is 1.0 where it was read
    plain = json.loads(msgspec.json.encode(about), parse_int=float)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
