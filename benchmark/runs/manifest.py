"""The manifest of a run: what it was made of. Its schema is written once, here, and checked when a run is opened."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from isorate.codecs.base import Option
from isorate.codecs.command_line import CommandLine, check_range
from isorate.codecs.identity import Identity, identity
from isorate.codecs.registry import CodecSpec
from isorate.codecs.registry.adapters import CODECS, configured
from isorate.datasets.base import Source
from isorate.errors import CodecError, CodecUnavailableError, ImageError, MetricError, RunError, UsageError
from isorate.files import typed_json
from isorate.files.numbers import Amount, Finite, Positive
from isorate.matching.outcome import Policy
from isorate.metrics.base import Scale, quality
from isorate.metrics.registry import METRICS, implementation_of, metric, metric_identity
from isorate.pictures.names import readable
from isorate.plugins import TELL
from isorate.runs.aim import SIZE, Aim
from isorate.runs.keep import Keep
from isorate.runs.point import AnchorPoint
from isorate.runs.row import Key, Side

MANIFEST_SCHEMA = 1

REMEDY = "run the same isorate run command with --overwrite"

BUILT_IN_AIMS: dict[str, tuple[str, Scale]] = {"psnr": ("PSNR", "as it is"), "ms_ssim": ("MS-SSIM", "similarity")}
"""What every run measures, and may be driven to: label and curve scale, in dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEntry:
    """An image; without size and checksums, and with `error`, where it could not be read.

    Attributes
    ----------
    name, file
        Its name in the data set, and its file's.
    width, height
        Pixels.
    sha256, source_sha256
        SHA-256 of the decoded samples (shape and RGB bytes), and of the file.
    lossy, notes
        Whether the source was lossy before, and what a reader must know of how it was read.
    error
        Why it could not be read.
    image_class
        The class that its data set puts it into; empty for none, and in manifests of older versions.
    """

    name: str
    file: str = ""
    width: Side | None = None
    height: Side | None = None
    sha256: str = ""
    source_sha256: str = ""
    lossy: bool = False
    notes: tuple[str, ...] = ()
    error: str | None = None
    image_class: str = ""

    @classmethod
    def of(cls, source: Source) -> "ImageEntry":
        """Return what there is to say of an image, readable or not.

        Raises
        ------
        DatasetError
            When it is another file than its data set describes.
        """
        about = cls(name=source.name, file=readable(source.file_name), image_class=source.image_class)
        try:
            loaded = source.load()
        except ImageError as error:
            return replace(about, error=readable(str(error)))
        height, width = loaded.pixels.shape[:2]
        return replace(
            about, width=width, height=height, sha256=loaded.sha256, source_sha256=loaded.file_sha256,
            lossy=loaded.lossy, notes=tuple(loaded.notes),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unfinished:
    """How many of a run's planned rows are there, failed ones included."""

    there: int
    planned: int

    def __str__(self) -> str:
        return f"unfinished: {self.there} of {self.planned} rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEntry:
    """The images and what their publisher says; see :class:`isorate.datasets.base.Dataset`."""

    name: str
    title: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""
    images: Annotated[tuple[ImageEntry, ...], Meta(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobEntry:
    """A codec's rate knob; see :class:`isorate.codecs.base.Knob`."""

    name: str
    low: Finite
    high: Finite
    integer: bool
    rising: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecEntry:
    """A codec of the run.

    Attributes
    ----------
    name, label
        What it goes by in the run's rows, and what a reader sees.
    spec
        Registry name and options as a user writes them.
    command_line
        The definition of a codec that a configuration described.
    backend, options, knob
        Who makes the bits, every option, and the rate knob; empty where the codec is not available.
    available, hint
        Whether it can run here, and if not, what to install.
    identity
        Of what made its rows; empty where the codec is not available, and in manifests of older versions.
    """

    name: str
    label: str = ""
    spec: str
    command_line: CommandLine | None = None
    backend: str
    options: dict[str, Option]
    knob: KnobEntry | None = None
    available: bool
    hint: str = ""
    identity: Identity = field(default_factory=Identity)

    @classmethod
    def of(cls, name: str, label: str, spec: CodecSpec) -> "CodecEntry":
        """Return what there is to say of a codec, available here or not.

        Raises
        ------
        CodecError
            When no manifest can hold it.
        """
        entry = cls(
            name=name, label=label, spec=spec.text, command_line=spec.command_line, backend="", options={},
            available=False,
        )  # fmt: skip
        try:
            codec = spec.create()
            with CODECS.others_code(spec.name, "cannot say what it is"):
                knob = codec.knob
                check_range(spec.name, knob)
                found = replace(
                    entry,
                    backend=codec.backend,
                    options=codec.options,
                    knob=KnobEntry(
                        name=knob.name, low=knob.low, high=knob.high, integer=knob.integer, rising=knob.rising
                    ),
                    available=True,
                    identity=identity(codec),
                )
        except CodecUnavailableError as error:
            return replace(entry, hint=str(error))
        try:
            msgspec.to_builtins(found)
        except TypeError as error:
            what = f"what it says of itself cannot stand in a run: {readable(str(error))}"
            raise CodecError(f"codec {spec.name}: {what}; {TELL}") from None
        return found

    def codec_spec(self, *, allow_programs: bool = False) -> CodecSpec:
        """Return the codec's spec, which may be run.

        Parameters
        ----------
        allow_programs
            Whether programs run that the manifest alone names.

        Raises
        ------
        RunError
            When the entry names programs, and the user's own configuration does not have the same definition: a run
            folder may come from anyone.
        UsageError
            When the definition cannot work.
        """
        spec = CodecSpec.parse(self.spec)
        if self.command_line is None:
            return spec
        if self.command_line != configured(spec.name):
            if not allow_programs:
                raise RunError(self._refusal())
            self.command_line.check()
        return replace(spec, command_line=self.command_line)

    def _refusal(self) -> str:
        assert self.command_line is not None
        keys = ("encode", "decode", "version")
        texts = {key: getattr(self.command_line, key) for key in keys}
        programs = "; ".join(f"{key} = {text!r}" for key, text in texts.items() if text)
        return (
            f"codec {self.name}: the run's manifest names programs, which are not run unasked ({programs}); write the "
            f"same [codec.{self.command_line.name}] into your isorate.toml (or name its file with --config), or allow "
            "them with --allow-programs"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricEntry:
    """A metric of the run beside PSNR and MS-SSIM; see :class:`isorate.metrics.base.Metric`.

    Attributes
    ----------
    name, label, unit, larger_is_better, scale, digits, tolerance, measured_on, implementation
        What the metric says of itself.
    identity
        Of what computed it, see :func:`isorate.metrics.registry.metric_identity`.
    """

    name: str
    label: str
    unit: str = ""
    larger_is_better: bool = True
    scale: Scale = "as it is"
    digits: Annotated[int, Meta(ge=0, le=10)] = 3
    tolerance: Amount | None = None
    measured_on: str = ""
    implementation: str = ""
    identity: str = ""

    @classmethod
    def of(cls, name: str) -> "MetricEntry":
        """Return what there is to say of a metric.

        Raises
        ------
        UsageError
            For an unknown name.
        MetricUnavailableError
            When it cannot run here.
        MetricError
            When no manifest can hold it.
        """
        measure = metric(name)
        with METRICS.others_code(name, "cannot say what it is"):
            found = cls(
                name=name, label=measure.label, unit=measure.unit,
                larger_is_better=measure.larger_is_better, scale=measure.scale,
                digits=measure.digits, tolerance=measure.tolerance,
                measured_on=measure.measured_on, implementation=implementation_of(name),
                identity=metric_identity(name),
            )  # fmt: skip
        if problem := _damage(found):
            raise MetricError(f"metric {name}: {problem}; {TELL}")
        return found

    @property
    def title(self) -> str:
        """The label with its unit, for the head of a column."""
        return f"{self.label} {self.unit}".rstrip()

    @property
    def quality_unit(self) -> str:
        """The unit of :meth:`quality`: decibels, the metric's own unit, or empty."""
        return self.unit if self.scale == "as it is" else "dB"

    @property
    def quality_title(self) -> str:
        """What an axis of :meth:`quality` is called; it names the scale where that is another one."""
        if self.scale == "as it is":
            sign = "" if self.larger_is_better else "\N{MINUS SIGN}"
            return f"{sign}{self.label} ({self.unit})" if self.unit else f"{sign}{self.label}"
        of = f"1 \N{MINUS SIGN} {self.label}" if self.scale == "similarity" else self.label
        return f"\N{MINUS SIGN}10 log10({of}) (dB)"

    def quality(self, value: float) -> float:
        """Return `value` on the scale over which curves and BD-rates are drawn; it rises with quality."""
        return quality(value, self.scale, larger_is_better=self.larger_is_better)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a run was made of.

    Attributes
    ----------
    schema
        Of the file.
    title, created, command
        For a reader: the run's title, when it began (ISO 8601), and the words of the command line.
    dataset
        The images.
    anchor
        The name of the codec whose files set the rates.
    codecs
        The anchor first.
    points
        The anchor's operating points. Of a manifest that was written before points were data, only their names; see
        :meth:`point_names`.
    policy, tolerance_pct
        How rates were matched, and the residual in percent that counts as matched.
    match, tolerance_quality
        What was held equal: ``size``, or a metric by its name, and then the gap that counts as matched, on the scale of
        the metric's curves.
    metrics
        What measured PSNR and MS-SSIM, see :func:`~isorate.metrics.identity.metrics_identity`; empty in older
        manifests.
    more_metrics
        The metrics beside these two.
    keep
        What the run keeps beside its rows.
    first_generation
        The first generation of rows that is of this run: it began anew in the folder of another one, which may still be
        writing. 0 in the folder's first run, and in older manifests.
    versions, platform, git_commit
        Python's and the packages' versions, the machine, and the commit of the checkout or None.
    """

    schema: int = MANIFEST_SCHEMA
    title: str = ""
    created: str = ""
    command: tuple[str, ...] = ()
    dataset: DatasetEntry
    anchor: str
    codecs: Annotated[tuple[CodecEntry, ...], Meta(min_length=1)]
    points: Annotated[tuple[AnchorPoint | str, ...], Meta(min_length=1)]
    policy: Policy
    tolerance_pct: Positive
    versions: dict[str, str]
    platform: dict[str, str | int]
    git_commit: str | None = None
    metrics: str = ""
    more_metrics: tuple[MetricEntry, ...] = ()
    match: str = SIZE
    tolerance_quality: Positive | None = None
    keep: Keep = Keep.DECODED
    first_generation: Annotated[int, Meta(ge=0, le=2**53)] = 0

    @property
    def metric_labels(self) -> dict[str, str]:
        """Every metric's label by its name, PSNR and MS-SSIM first."""
        always = {name: label for name, (label, _) in BUILT_IN_AIMS.items()}
        return always | {entry.name: entry.label for entry in self.more_metrics}

    @property
    def aim(self) -> Aim:
        """What the codecs were driven to."""
        return aim_of(self.match, self.tolerance_pct, self.tolerance_quality, self.more_metrics)

    @property
    def scales(self) -> dict[str, Scale]:
        """The scale of each metric's curves by its name."""
        always = {name: scale for name, (_, scale) in BUILT_IN_AIMS.items()}
        return always | {entry.name: entry.scale for entry in self.more_metrics}

    @property
    def point_names(self) -> tuple[str, ...]:
        """The names of the operating points."""
        return tuple(point if isinstance(point, str) else point.name for point in self.points)

    def keeps_pictures(self, point: str) -> bool:
        """Whether the run keeps the decoded pictures of the operating point of this name."""
        return self.keep.pictures and all(
            some.pictures for some in self.points if isinstance(some, AnchorPoint) and some.name == point
        )

    @property
    def codec_names(self) -> tuple[str, ...]:
        """The names of the codecs, the anchor's first."""
        return tuple(codec.name for codec in self.codecs)

    @property
    def image_names(self) -> tuple[str, ...]:
        """The names of the images."""
        return tuple(image.name for image in self.dataset.images)

    @property
    def num_rows(self) -> int:
        """How many rows the run has when it is finished."""
        return len(self.dataset.images) * len(self.points) * len(self.codecs)

    def unfinished(self, keys: Iterable[Key]) -> Unfinished | None:
        """Return how many of the planned rows are among `keys`, or None when all are."""
        planned = product(self.image_names, self.point_names, self.codec_names)
        there = len(set(keys).intersection(planned))
        return Unfinished(there, self.num_rows) if there < self.num_rows else None

    def image(self, name: str) -> ImageEntry:
        """Return the image `name`, which must be one of the run's."""
        return next(image for image in self.dataset.images if image.name == name)

    def codec(self, name: str) -> CodecEntry:
        """Return the codec `name`, which must be one of the run's."""
        return next(codec for codec in self.codecs if codec.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON types."""
        out: dict[str, Any] = msgspec.to_builtins(self)
        return out

    def text(self) -> bytes:
        """Return the file's content, after making sure that it is read back as this very manifest.

        Raises
        ------
        UsageError
            When it would not be: whatever a codec, a metric or a user said cannot stand in a run.
        """
        try:
            text = f"{json.dumps(self.to_json(), indent=1, ensure_ascii=False)}\n".encode()
            read = Manifest.from_json(typed_json.parse(text))  # which refuses what is no strict JSON
            if read != self:
                changed = [item.name for item in fields(self) if getattr(read, item.name) != getattr(self, item.name)]
                raise ValueError(f"{', '.join(changed)}: is read back as something else")
        except (TypeError, ValueError) as error:
            said = readable(str(error))
            raise UsageError(f"no run can be made of this, its manifest would be damaged: {said}") from None
        return text

    @classmethod
    def from_json(cls, data: Any) -> "Manifest":
        """Return the manifest that :meth:`to_json` wrote.

        Raises
        ------
        ValueError
            When a field is missing, unknown, of another type, out of bounds or contradicts another; the text names it.
        """
        if not isinstance(data, dict) or data.get("schema", MANIFEST_SCHEMA) != MANIFEST_SCHEMA:
            raise ValueError(f"not a manifest of schema {MANIFEST_SCHEMA}; another version of isorate wrote it")
        manifest = typed_json.fit(data, cls)
        for what, names in (
            ("dataset.images", manifest.image_names), ("codecs", manifest.codec_names), ("points", manifest.point_names)
        ):  # fmt: skip
            if twice := _twice(names):
                raise ValueError(f"{what}: {twice!r} is there twice")
        if manifest.anchor not in manifest.codec_names:
            raise ValueError(f"anchor: {manifest.anchor!r} is none of the codecs")
        if manifest.match != SIZE and (manifest.match not in manifest.scales or manifest.tolerance_quality is None):
            raise ValueError(f"match: {manifest.match!r} is no metric of the run, or has no tolerance_quality")
        for point in manifest.points:
            if isinstance(point, AnchorPoint) and point.kind in ("bpp", "quality") and point.value <= 0:
                raise ValueError(f"points: {point.name!r} has the value {point.value}; a number above 0 is needed")
        for image in manifest.dataset.images:
            if image.error is None and not (image.width and image.height and image.sha256):
                raise ValueError(f"dataset.images: {image.name!r} has no size or checksum")
        return manifest

    @classmethod
    def parse(cls, text: bytes, where: str) -> "Manifest":
        """Return the manifest of a file's text.

        Raises
        ------
        RunError
            See :meth:`from_json`; `where` names the file.
        """
        try:
            data = typed_json.parse(text)
        except ValueError as error:
            raise RunError(f"{where}: cannot be read: {error}; {REMEDY}") from None
        try:
            return cls.from_json(data)
        except ValueError as error:
            raise RunError(f"{where}: damaged: {error}; {REMEDY}") from None


def aim_of(match: str, tolerance_pct: float, tolerance_quality: float | None, metrics: Iterable[MetricEntry]) -> Aim:
    """Return what codecs are driven to, from what a manifest says of it; `metrics` are the further ones."""
    if match == SIZE:
        return Aim.size(tolerance_pct)
    assert tolerance_quality is not None
    if match in BUILT_IN_AIMS:
        label, scale = BUILT_IN_AIMS[match]
        return Aim(match, label, tolerance_quality, "dB", scale=scale)
    entry = next(entry for entry in metrics if entry.name == match)
    return Aim(
        entry.name, entry.label, tolerance_quality, entry.quality_unit, scale=entry.scale,
        larger_is_better=entry.larger_is_better,
    )  # fmt: skip


def _damage(entry: MetricEntry) -> str | None:
    """Return in words why no manifest can hold an entry, or None when one can."""
    try:
        text = json.dumps(msgspec.to_builtins(entry), ensure_ascii=False).encode()
        read = typed_json.fit(typed_json.parse(text), MetricEntry)
        if read == entry:
            return None
        changed = [item.name for item in fields(entry) if getattr(read, item.name) != getattr(entry, item.name)]
        why = f"{', '.join(changed)}: is read back as something else"
    except (TypeError, ValueError) as error:
        why = readable(str(error))
    return f"what it says of itself cannot stand in a run: {why}"


def _twice(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)
