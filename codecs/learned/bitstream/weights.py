"""Weights files: safetensors with everything that encoding and decoding need.

======================= ============== ==========================================================================
tensor                  dtype          content
======================= ============== ==========================================================================
``transform.<name>``    float16 or     parameters of analysis, hyper-analysis and synthesis (scales and biases of λ
                        float32        in float32)
``prior.<conv>.<part>`` int16, int32   :class:`~isorate.codecs.learned.bitstream.conv_weights.IntegerConvWeights`
``table.<name>``        int32          :func:`~isorate.codecs.learned.bitstream.tables.all_tables`
======================= ============== ==========================================================================

The file's metadata are strings: ``format`` (this layout's version), ``config`` (JSON of the model's shape), ``digest``
(SHA-256 of configuration and tensors; its first two bytes are the model id in streams), ``rates`` (JSON of the rate
curve measured on validation photographs) and ``training`` (JSON of where the weights come from).

Tensors beyond :data:`LARGEST_FILE` stand in further files beside it, ``NAME.safetensors.2`` and on, whose number the
metadata's ``files`` gives: many hosts refuse large files. The digest is of them all.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from isorate.codecs.learned.bitstream.conv_weights import IntegerConvWeights
from isorate.codecs.learned.model.config import ModelConfig
from isorate.errors import CodecUnavailableError, UsageError
from isorate.files.typed_json import fit

T = TypeVar("T")

FORMAT = "isorate-learned-1"
FOLDER = Path(__file__).parents[1] / "weights"
SUFFIX = ".safetensors"
TRANSFORM, PRIOR, TABLE = "transform.", "prior.", "table."
LARGEST_FILE = 28_000_000
"""Bytes of tensors in a file; a single tensor may be longer."""
MOST_FILES = 99
BEST = "best"
"""The name that stands for one of :data:`STRONGEST`."""
STRONGEST = {"mse": "base", "ms-ssim": "small"}
"""By objective, the name of the package's weights that reach the best quality at a size."""
_METADATA = ("config", "digest", "rates", "training")
_Number = Annotated[float, Meta(ge=-100, le=100)]
_Line = tuple[_Number, _Number, _Number, _Number, Annotated[float, Meta(gt=0, le=1000)]]


@dataclass(frozen=True)
class Weights:
    """The content of a weights file.

    Attributes
    ----------
    config
        The model's shape.
    transforms
        Parameters of the transforms by their names in the model, float16 or float32.
    priors
        The integer convolutions by their names in the model.
    tables
        The numeric tables by name, int32.
    rates
        The ``lines`` of the rate curve (:class:`~isorate.codecs.learned.coding.rate_prediction.RateLine`); empty where
        none was measured.
    training
        See the module; free-form.
    """

    config: ModelConfig
    transforms: Mapping[str, NDArray[Any]]
    priors: Mapping[str, IntegerConvWeights]
    tables: Mapping[str, NDArray[np.int32]]
    rates: Mapping[str, Any]
    training: Mapping[str, Any]

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return every tensor by its name in the file."""
        parts = [field.name for field in fields(IntegerConvWeights)]
        found = {TRANSFORM + name: value for name, value in self.transforms.items()}
        found |= {f"{PRIOR}{name}.{part}": getattr(conv, part) for name, conv in self.priors.items() for part in parts}
        found |= {TABLE + name: value for name, value in self.tables.items()}
        return found

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the configuration and of every tensor's name, type, shape and bytes, in hexadecimal."""
        sha = hashlib.sha256(self.config.to_json().encode())
        for name, value in sorted(self.tensors().items()):
            sha.update(f"{name} {value.dtype.str} {value.shape}".encode())
            sha.update(np.ascontiguousarray(value).data)
        return sha.hexdigest()

    @property
    def ms_ssim_share(self) -> float:
        """Share of MS-SSIM in the distortion that these weights were trained for: 0 for the mean squared error."""
        return float(self.training.get("train", {}).get("ms_ssim_share", 0.0))

    @property
    def model_id(self) -> int:
        """What streams name these weights by: the digest's first 16 bits."""
        return int(self.digest[:4], 16)


def save_weights(weights: Weights, path: Path) -> list[Path]:
    """Write `weights` to `path`, and to further files beside it where they are long; return the files."""
    shares = _shares(weights.tensors())
    metadata = {
        "format": FORMAT,
        "config": weights.config.to_json(),
        "digest": weights.digest,
        "rates": json.dumps(weights.rates, sort_keys=True),
        "training": json.dumps(weights.training, sort_keys=True),
    }
    if len(shares) > 1:
        metadata["files"] = str(len(shares))
    paths = weight_files(path, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    for share, file in zip(shares, paths, strict=True):
        # Not save_file, which gives the owner alone the right to read, whatever the umask.
        file.write_bytes(save(share, metadata if file == path else {"format": FORMAT}))
    return paths


def weight_files(path: Path, metadata: Mapping[str, str]) -> list[Path]:
    """Return the files of the weights at `path`, that one first, by its metadata.

    Raises
    ------
    CodecUnavailableError
        When the metadata give no number of files.
    """
    count = metadata.get("files", "1")
    if not count.isdecimal() or not 1 <= int(count) <= MOST_FILES:
        raise CodecUnavailableError(f"learned: {path} says that it is of {count!r} files; fetch it again")
    return [path, *(path.with_name(f"{path.name}.{number}") for number in range(2, int(count) + 1))]


def read_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of the weights file at `path`, without its tensors.

    Raises
    ------
    CodecUnavailableError
        When the file is missing, damaged or of another layout.
    """
    if not path.is_file():
        raise CodecUnavailableError(
            f"learned: no weights at {path}; there are: {', '.join(known_models()) or 'none'}. Weights come from "
            "'isorate learned train' and 'isorate learned export CHECKPOINT --validation PACK'"
        )
    with _opened(path) as file:
        metadata: dict[str, str] = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise CodecUnavailableError(f"learned: {path} is no weights file of layout {FORMAT}; export it again")
    if missing := [key for key in _METADATA if key not in metadata]:
        raise CodecUnavailableError(f"learned: {path} lacks {', '.join(missing)} in its metadata; fetch it again")
    if not re.fullmatch("[0-9a-f]{64}", metadata["digest"]):
        raise CodecUnavailableError(f"learned: {path}: its digest is {metadata['digest']!r:.80}; fetch it again")
    return metadata


def metadata_value(path: Path, metadata: Mapping[str, str], key: str, kind: type[T]) -> T:
    """Return one JSON text in the metadata of the weights file at `path`; ``training`` may hold Infinity.

    Raises
    ------
    CodecUnavailableError
        When it is damaged.
    """
    try:
        return fit(json.loads(metadata[key]), kind)
    except (ValueError, RecursionError, UsageError) as error:
        why = f"its {key} cannot be read ({error})"
        raise CodecUnavailableError(f"learned: {path}: {why}; fetch it again or export it anew") from None


def read_rates(path: Path, metadata: Mapping[str, str]) -> dict[str, list[_Line]]:
    """Return the rate curve in the metadata of the weights file at `path`.

    Raises
    ------
    CodecUnavailableError
        When it is damaged.
    """
    return metadata_value(path, metadata, "rates", dict[str, list[_Line]])


def load_weights(path: Path) -> Weights:
    """Return the content of the weights file at `path`, verified against its digest.

    Raises
    ------
    CodecUnavailableError
        When the file is missing, damaged or of another layout.
    """
    metadata = read_metadata(path)
    tensors: dict[str, NDArray[Any]] = {}
    for part in weight_files(path, metadata):
        if not part.is_file():
            raise CodecUnavailableError(f"learned: {part} is missing, a part of the weights beside it; fetch it again")
        with _opened(part) as file:
            tensors |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    others = " or a file beside it" if "files" in metadata else ""
    try:
        priors = _convs(_under(tensors, PRIOR))
    except KeyError as error:
        raise CodecUnavailableError(f"learned: {path}{others} lacks the tensor {error}; fetch it again") from None
    weights = Weights(
        metadata_value(path, metadata, "config", ModelConfig),
        _under(tensors, TRANSFORM),
        priors,
        _under(tensors, TABLE),
        read_rates(path, metadata),
        metadata_value(path, metadata, "training", dict[str, Any]),
    )
    if weights.digest != metadata["digest"]:
        raise CodecUnavailableError(f"learned: {path}{others} is damaged, its checksum does not hold; fetch it again")
    return weights


def weights_path(model: str, objective: str = "mse") -> Path:
    """Return where the weights of `model` are: a path as it is, a name in this package's folder.

    :data:`BEST` stands for the strongest that come with the package for `objective`.
    """
    if model.endswith(SUFFIX):
        return Path(model)
    if model == BEST:
        model = STRONGEST[objective]
    return FOLDER / f"{model}{'' if objective == 'mse' else '-' + objective}{SUFFIX}"


def known_models() -> list[str]:
    """Return the names of the weights files in this package's folder."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def path_by_id(model_id: int) -> Path | None:
    """Return the file in this package's folder whose weights streams call `model_id`, or None."""
    for path in sorted(FOLDER.glob(f"*{SUFFIX}")):
        if int(read_metadata(path)["digest"][:4], 16) == model_id:
            return path
    return None


def _shares(tensors: Mapping[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """Return `tensors` in their order, in groups of at most :data:`LARGEST_FILE` bytes."""
    shares: list[dict[str, NDArray[Any]]] = [{}]
    room = LARGEST_FILE
    for name, value in tensors.items():
        if shares[-1] and value.nbytes > room:
            shares.append({})
            room = LARGEST_FILE
        shares[-1][name] = np.ascontiguousarray(value)
        room -= value.nbytes
    return shares


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open one file; what is no safetensors in it is a CodecUnavailableError."""
    try:
        with safe_open(path, "numpy") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CodecUnavailableError(f"learned: {path} is damaged ({error}); fetch it again") from error


def _under(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _convs(tensors: Mapping[str, NDArray[Any]]) -> dict[str, IntegerConvWeights]:
    names = sorted({name.rpartition(".")[0] for name in tensors})
    parts = [field.name for field in fields(IntegerConvWeights)]
    return {name: IntegerConvWeights(**{part: tensors[f"{name}.{part}"] for part in parts}) for name in names}
