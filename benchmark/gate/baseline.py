"""The baseline file: what a run is held against.

Strict JSON with one row, one codec and one image a line, so that a pull request shows which rows it changes.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from isorate.codecs.base import Option
from isorate.errors import RunError
from isorate.files import typed_json
from isorate.files.atomic import write_output
from isorate.files.numbers import Finite
from isorate.files.plain import LARGEST_TEXT, read_plain
from isorate.runs.aim import SIZE
from isorate.runs.row import Decibels, Key, Side, Similarity

BASELINE_SCHEMA = 1
PSNR_DIGITS, MS_SSIM_DIGITS = 5, 6
"""Decimals that a baseline keeps: far below any tolerance."""
MORE_DIGITS = 3
"""The same for a further metric, beyond those that a table prints."""

Figure: TypeAlias = Finite | None
Measured: TypeAlias = Figure | Literal["inf"]


@dataclass(frozen=True, slots=True)
class BaselineCodec:
    """Who made the bits.

    Attributes
    ----------
    spec, backend, options
        The spec as the user writes it, the program or library with its version, every option.
    programs
        The digest of its programs and scripts, see :class:`isorate.codecs.identity.Identity`; empty without any, and in
        baselines of versions that did not write it.
    """

    spec: str
    backend: str
    options: dict[str, Option]
    programs: str = ""


@dataclass(frozen=True, slots=True)
class BaselineImage:
    """An image's size and the SHA-256 of its samples."""

    width: Side
    height: Side
    sha256: str


@dataclass(frozen=True, slots=True)
class BaselineMetric:
    """What a further metric is called, and which program measured what with it."""

    label: str
    implementation: str
    measured_on: str


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """One accepted row.

    Attributes
    ----------
    image, point, codec
        The row's place in the run.
    bytes
        Size of the whole file.
    psnr, ms_ssim
        As in :class:`isorate.runs.row.Row`, rounded; `psnr` is None for identical pictures.
    psnr_slope, ms_ssim_slope
        What the codec gains on this image when the rate doubles, around this row; None where nobody measured it.
    slope_from
        ``points`` (neighbouring operating points of the run), ``neighbour`` (the row's own file on the other side of
        the rate), ``probe`` (a second encode, measured when the baseline was written), or empty.
    stream
        The first digits of the file's SHA-256.
    metrics, slopes
        Further metrics by name, rounded, and what they gain when the rate doubles, as above.
    """

    image: str
    point: str
    codec: str
    bytes: Annotated[int, Meta(ge=1, le=2**53)]
    psnr: Decibels | None
    ms_ssim: Similarity | None
    psnr_slope: Decibels | None
    ms_ssim_slope: Decibels | None
    slope_from: str
    stream: str
    metrics: dict[str, Measured] = field(default_factory=dict)
    slopes: dict[str, Figure] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """The row's place in the run."""
        return self.image, self.point, self.codec


@dataclass(frozen=True, slots=True)
class Baseline:
    """An accepted run.

    Attributes
    ----------
    dataset, anchor, policy, tolerance_pct, match, tolerance_quality
        As in the run's manifest.
    versions
        Python's and the packages' versions.
    codecs, images
        By name.
    rows
        In the run's order.
    metrics
        What further metrics its rows have, by name.
    """

    dataset: str
    anchor: str
    policy: str
    tolerance_pct: float
    versions: dict[str, str]
    codecs: dict[str, BaselineCodec]
    images: dict[str, BaselineImage]
    rows: Annotated[tuple[BaselineRow, ...], Meta(min_length=1)]
    metrics: dict[str, BaselineMetric] = field(default_factory=dict)
    match: str = SIZE
    tolerance_quality: float | None = None

    def text(self) -> str:
        """Return the file's text: a row, a codec and an image take one line each."""
        head: dict[str, object] = {
            "isorate_baseline": BASELINE_SCHEMA,
            "dataset": self.dataset,
            "anchor": self.anchor,
            "policy": self.policy,
            "tolerance_pct": self.tolerance_pct,
        }
        if self.match != SIZE:
            head |= {"match": self.match, "tolerance_quality": self.tolerance_quality}
        parts = [f'"{key}": {_json(value)}' for key, value in head.items()]
        parts.append(_mapping("versions", self.versions))
        codecs = {name: asdict(codec) for name, codec in self.codecs.items()}
        for codec in codecs.values():
            if not codec["programs"]:
                del codec["programs"]
        parts.append(_mapping("codecs", codecs))
        parts.append(_mapping("images", {name: asdict(image) for name, image in self.images.items()}))
        if self.metrics:
            parts.append(_mapping("metrics", {name: asdict(about) for name, about in self.metrics.items()}))
        parts.append('"rows": [\n' + ",\n".join(f" {_json(_row(row))}" for row in self.rows) + "\n]")
        return "{\n" + ",\n".join(parts) + "\n}\n"

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        write_output(path, self.text().encode())

    @classmethod
    def read(cls, path: Path) -> "Baseline":
        """Return the baseline in `path`.

        Raises
        ------
        RunError
            When the file is missing, damaged or of another version.
        """
        try:
            data = typed_json.parse_unique(read_plain(path, LARGEST_TEXT))
        except FileNotFoundError:
            raise RunError(f"{path}: no baseline there; write one with: isorate baseline RUN -o {path}") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read: {error}; restore it, or write it anew: isorate baseline") from None
        found = data.pop("isorate_baseline", None) if isinstance(data, dict) else None
        if found != BASELINE_SCHEMA:
            said = "no baseline" if found is None else f"a baseline of schema {found}"
            raise RunError(f"{path}: {said}, {BASELINE_SCHEMA} is needed; write it anew with: isorate baseline RUN")
        try:
            baseline = typed_json.fit(data, cls)
            baseline._check_rows()
        except ValueError as error:
            raise RunError(f"{path}: damaged baseline ({error}); restore it, or write it anew") from None
        return baseline

    def _check_rows(self) -> None:
        """Raise ValueError where a row is there twice, or has more or less than the file's head lists."""
        [(twice, count)] = Counter(row.key for row in self.rows).most_common(1)
        if count > 1:
            raise ValueError(f"the row of {', '.join(twice)} is there {count} times")
        of_rows = {"images": {row.image for row in self.rows}, "codecs": {row.codec for row in self.rows}}
        for what, listed in (("images", self.images), ("codecs", self.codecs)):
            if strange := of_rows[what] - set(listed):
                raise ValueError(f"rows of {what} that are not listed: {', '.join(sorted(strange))}")
        for row in self.rows:
            if lacking := set(self.metrics) - set(row.metrics):
                raise ValueError(f"the row of {', '.join(row.key)} has no {', '.join(sorted(lacking))}")
            if strange := {*row.metrics, *row.slopes} - set(self.metrics):
                raise ValueError(
                    f"the row of {', '.join(row.key)} has {', '.join(sorted(strange))}, which metrics does not list"
                )


def lines_of_rows(path: Path) -> dict[Key, int]:
    """Return the line of each row in the file, for messages that point there; none where it was laid out anew."""
    found = {}
    for number, line in enumerate(read_plain(path, LARGEST_TEXT).splitlines(), 1):
        if line.startswith(b' {"image"'):
            try:
                row = typed_json.fit(typed_json.parse(line.rstrip(b",")), BaselineRow)
            except ValueError:
                continue
            found[row.key] = number
    return found


def _row(row: BaselineRow) -> dict[str, object]:
    data = asdict(row)
    return {key: value for key, value in data.items() if key not in ("metrics", "slopes") or value}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _mapping(name: str, values: Mapping[str, object]) -> str:
    return f'"{name}": {{\n' + ",\n".join(f" {_json(key)}: {_json(value)}" for key, value in values.items()) + "\n}"
