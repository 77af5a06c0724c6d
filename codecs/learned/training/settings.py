"""A training run's TOML file, read and checked."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from isorate.codecs.learned.model.bounds import Count, LogLmbda, Share, Whole, check_fields
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.precision import Precision
from isorate.codecs.learned.model.quantization import QuantizationMode
from isorate.errors import UsageError
from isorate.files.numbers import Amount, Positive
from isorate.files.toml import TomlFile
from isorate.metrics.ms_ssim import MS_SSIM_MIN_SIDE

PHASE_KEYS = frozenset(
    {"batch_size", "crop_size", "smallest_scale", "quantization", "fake_quantize", "frozen_encoder", "focus_share"}
)


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a run with some keys of its own.

    Attributes
    ----------
    start
        The progress, 0..1, at which it begins; it lasts until the next phase.
    changes
        Keys of the recipe, out of :data:`PHASE_KEYS`, and their values from then on.
    """

    start: Share
    changes: dict[str, Any]

    def __post_init__(self) -> None:
        check_fields(self, "train.phases")


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """The recipe.

    Attributes
    ----------
    total_steps, total_seconds
        The run's length: exactly one is positive. With seconds (of training, summed over resumes) the decay falls
        where the machine's speed puts it; with steps a resumed run repeats the uninterrupted one bit for bit.
    batch_size, crop_size
        Crops of each process and step; pixels on a side (a multiple of 64).
    optimizer
        ``soap`` or ``adam``.
    learning_rate, prior_rate, gate_rate
        Peak rates of the transforms' kernels, of the priors' kernels, and of all conditional scales and biases.
    precondition_priors
        Whether SOAP also preconditions the priors, whose wide kernels make that dear.
    prior_steps
        Steps at the start in which only the priors and the hyper-analysis learn, on the KLT's latents; these are
        several times cheaper than whole steps. A run that starts from trained weights has none.
    decay_share, warmup_steps
        See :func:`~isorate.codecs.learned.training.schedule.wsd`.
    clip
        Largest norm of the gradient.
    ema
        Decay of the averaged weights for each step.
    lowest_lmbda, highest_lmbda
        log10 of the range of λ, drawn log-uniformly.
    focus_low, focus_high, focus_share
        log10 of a part of that range, from which this share of the draws is taken instead.
    bin_octaves
        Δ = 2^b with b uniform in [-bin_octaves, bin_octaves].
    rate_weight_power
        The loss of an image is (D / λ + R) · λ^rate_weight_power, up to a constant: 0 weighs every λ by its own bits.
    curve_steps, checkpoint_seconds, validate_seconds
        How often the curve gets a row, a checkpoint is written, and validation runs.
    validate_images, validate_lmbda
        How many photographs (0: all), and log10 λ.
    workers
        Threads that prepare batches ahead (0: none).
    resident
        Whether the photographs lie on the device at :data:`~isorate.codecs.learned.training.resident.SCALES` scales and
        are cropped there, for a GPU that sees more crops a second than threads prepare; `workers` then is of no use.
    warm_start_crops
        Crops from which the KLT is taken.
    graphs
        Whether one GPU takes its steps as a CUDA graph (:mod:`~isorate.codecs.learned.training.graph`).
    compiled
        Whether a GPU's blocks and densities are compiled (:mod:`~isorate.codecs.learned.training.compiled`).
    phases
        Later parts of the run, each with all earlier changes still in force.
    quantization
        Training's stand-in for rounding.
    precision
        Of the convolutions, see :data:`~isorate.codecs.learned.model.precision.Precision`; latents, the priors'
        parameters, likelihoods and losses are in fp32 always.
    fake_quantize
        Whether the priors are put on the integers' grids, in fp32 without TF32.
    ms_ssim_share
        D is this share of :data:`~isorate.codecs.distortion.MS_SSIM_SCALE` · (1 - MS-SSIM) and the rest
        of the mean squared error.
    frozen_encoder
        Whether analysis and hyper-analysis keep still (to fine-tune decoder and priors on truly rounded latents).
    """

    total_steps: Annotated[int, Meta(ge=0, le=99_999_999)] = 0
    total_seconds: Amount = 0.0
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 1
    batch_size: Count = 8
    crop_size: Annotated[int, Meta(ge=64, le=8192, multiple_of=64)] = 192
    smallest_scale: Annotated[float, Meta(ge=0.01, le=1)] = 0.5
    optimizer: Literal["soap", "adam"] = "soap"
    learning_rate: Share = 1e-3
    prior_rate: Share = 1e-3
    gate_rate: Share = 1e-3
    precondition_priors: bool = False
    prior_steps: Whole = 0
    precondition_every: Count = 20
    max_dimension: Count = 512
    decay_share: Share = 0.35
    warmup_steps: Whole = 100
    clip: Positive = 1.0
    ema: Annotated[float, Meta(ge=0, lt=1)] = 0.999
    lowest_lmbda: LogLmbda = -4.0
    highest_lmbda: LogLmbda = -1.5
    focus_low: LogLmbda = -2.75
    focus_high: LogLmbda = -1.75
    focus_share: Share = 0.0
    bin_octaves: Annotated[float, Meta(ge=0, le=8)] = 1.0
    rate_weight_power: Annotated[float, Meta(ge=-4, le=4)] = 0.3
    quantization: QuantizationMode = "mixed"
    precision: Precision = "auto"
    fake_quantize: bool = False
    ms_ssim_share: Share = 0.0
    frozen_encoder: bool = False
    curve_steps: Count = 50
    checkpoint_seconds: Amount = 120.0
    validate_seconds: Amount = 600.0
    validate_images: Whole = 0
    validate_lmbda: tuple[LogLmbda, ...] = (-1.75, -2.0, -2.25, -2.5, -3.25)
    workers: Annotated[int, Meta(ge=0, le=1024)] = 0
    resident: bool = False
    warm_start_crops: Count = 256
    graphs: bool = True
    compiled: bool = True
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "train")
        if (self.total_steps > 0) == (self.total_seconds > 0):
            raise UsageError("[train] needs exactly one of total_steps and total_seconds to be positive")
        if self.ms_ssim_share and self.crop_size < MS_SSIM_MIN_SIDE:
            raise UsageError(f"train.crop_size is {self.crop_size}; MS-SSIM needs {MS_SSIM_MIN_SIDE} at least")
        if self.precision == "bf16" and self.fake_quantize:
            raise UsageError("train.fake_quantize needs train.precision to be auto or fp32")
        for phase in self.phases:
            replace(self, phases=(), **phase.changes)
        if self.lowest_lmbda >= self.highest_lmbda:
            raise UsageError("train.lowest_lmbda must be below train.highest_lmbda (both are log10)")

    def at(self, progress: float) -> "TrainSettings":
        """Return the recipe in force at that progress of the run."""
        changes: dict[str, Any] = {}
        for phase in self.phases:
            if progress >= phase.start:
                changes |= phase.changes
        return replace(self, **changes) if changes else self


@dataclass(frozen=True, slots=True)
class RunSettings:
    """One TOML file: the model, the recipe and where the photographs are."""

    model: ModelConfig
    train: TrainSettings
    train_data: Path
    validation_data: Path | None


def read_settings(path: Path, changes: dict[str, Any] | None = None) -> RunSettings:
    """Return the settings in the TOML file at `path`; `changes` replaces keys of its [train] table.

    Raises
    ------
    UsageError
        When the file is missing, is not TOML, has unknown keys or impossible values.
    """
    file = TomlFile.read(path)
    _refuse_unknown(f"{path}", file.data, {"model", "train", "data"})
    model, train, data = (file.table(file.data, key) for key in ("model", "train", "data"))
    train |= changes or {}
    _refuse_unknown(f"{path} [train]", train, {field.name for field in fields(TrainSettings)})
    _refuse_unknown(f"{path} [data]", data, {"train", "validation"})
    if "train" not in data:
        raise UsageError(f"{path} [data] must name the pack to train on: train = ...")
    for key, value in data.items():
        if not isinstance(value, str):
            raise file.error(("data", key), f"data.{key} is {value!r}; it must be a text, the path of a pack")
    try:
        recipe = TrainSettings(**{**train, "phases": _read_phases(train.get("phases", []))})
        shape = ModelConfig.from_dict(model)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    validation = Path(data["validation"]) if "validation" in data else None
    return RunSettings(shape, recipe, Path(data["train"]), validation)


def _read_phases(tables: Any) -> tuple[Phase, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"train.phases is {tables!r}; it must be a list of tables: [[train.phases]]")
    return tuple(map(_read_phase, tables))


def _read_phase(table: dict[str, Any]) -> Phase:
    _refuse_unknown("[[train.phases]]", table, {"start", *PHASE_KEYS})
    if "start" not in table:
        raise UsageError("[[train.phases]]: start is missing (the progress, 0..1, at which the phase begins)")
    return Phase(table["start"], {key: value for key, value in table.items() if key != "start"})


def _refuse_unknown(where: str, table: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise UsageError(f"{where}: unknown keys {', '.join(unknown)}; known are {', '.join(sorted(known))}")
