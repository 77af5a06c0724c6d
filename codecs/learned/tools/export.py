"""Weights from a training run."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from isorate.codecs.learned.bitstream.conv_weights import D_BITS, U_BITS, V_BITS, IntegerConvWeights
from isorate.codecs.learned.bitstream.integer_conv import SCALE_LIMIT
from isorate.codecs.learned.bitstream.layout import MOST_POINT
from isorate.codecs.learned.bitstream.tables import SOFTPLUS_OUTPUT_BITS, all_tables
from isorate.codecs.learned.bitstream.weights import FOLDER, SUFFIX, Weights, load_weights, save_weights
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.priors import PriorConv2d
from isorate.codecs.learned.tools.measure_rates import measure_rates
from isorate.codecs.learned.training.checkpoint import read_checkpoint, storage_dtype
from isorate.codecs.learned.training.data import Pack
from isorate.codecs.learned.training.folder import make_folder
from isorate.errors import UsageError

LARGEST_WEIGHT = 2**15 - 1


def integer_conv(conv: PriorConv2d) -> IntegerConvWeights:
    """Return the integers nearest to `conv`, each channel's binary point as far left as 16 bits allow.

    Raises
    ------
    UsageError
        When s(λ) is beyond what the integers hold.
    """
    weight, u, v, d = (tensor.detach().double().cpu().numpy() for tensor in (conv.weight, conv.u, conv.v, conv.d))
    if np.logaddexp(0, u).max() * 2**SOFTPLUS_OUTPUT_BITS > SCALE_LIMIT:
        raise UsageError(f"a prior's scale s(λ) reaches {np.logaddexp(0, u).max():.3g}, at most 15.9 can be exported")
    largest = np.maximum(np.abs(weight).reshape(len(weight), -1).max(1), 1e-30)
    point = np.floor(np.log2((LARGEST_WEIGHT + 0.5) / largest)).clip(0, MOST_POINT)
    scaled = np.ldexp(weight, point.astype(np.int64)[:, None, None, None])
    return IntegerConvWeights(
        np.round(scaled).clip(-LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int16),
        point.astype(np.int32),
        _fixed(u, U_BITS),
        _fixed(v, V_BITS),
        _fixed(d, D_BITS),
    )


def _fixed(values: NDArray[np.float64], bits: int) -> NDArray[np.int32]:
    return np.round(np.ldexp(values, bits)).clip(-(2**31 - 1), 2**31 - 1).astype(np.int32)


def weights_of(model: ConditionalAutoencoder, rates: dict[str, Any], training: dict[str, Any]) -> Weights:
    """Return what a weights file of `model` holds."""
    priors = {name: integer_conv(module) for name, module in model.named_modules() if isinstance(module, PriorConv2d)}
    transforms = {}
    for name, tensor in model.state_dict().items():
        if name.rpartition(".")[0] not in priors:
            transforms[name] = tensor.detach().to("cpu", storage_dtype(tensor)).numpy()
    return Weights(model.config, transforms, priors, all_tables(), rates, training)


def model_from_checkpoint(path: Path) -> tuple[ConditionalAutoencoder, dict[str, Any]]:
    """Return the model with the averaged weights of the checkpoint at `path`, and the run's state."""
    tensors, state = read_checkpoint(path)
    model = ConditionalAutoencoder(ModelConfig.from_dict(state["model"]))
    model.load_state_dict({name[4:]: tensor for name, tensor in tensors.items() if name.startswith("ema.")})
    return model.eval(), state


def check_output(path: Path) -> None:
    """Raise a UsageError when weights at `path` could not be written, or not be found by ``learned:model=``."""
    if path.suffix != SUFFIX:
        raise UsageError(f"{path}: a weights file ends in {SUFFIX}; give {path.name}{SUFFIX}")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give a file in it, NAME{SUFFIX}")
    make_folder(path.parent)


def export_weights(
    checkpoint: Path, validation: Path, out: Path | None = None, photographs: int = 16
) -> tuple[Path, Weights]:
    """Write the weights file of a checkpoint, and return where it is and what it holds.

    Parameters
    ----------
    checkpoint
        A run's folder (its newest checkpoint) or one checkpoint.
    validation
        Packed validation photographs, on which rates are measured.
    out
        The file, ``NAME.safetensors``; by default in the package's folder, named after the model.
    photographs
        How many of them, evenly picked.

    Raises
    ------
    UsageError, DatasetError
        When checkpoint or photographs are not there, the file cannot be written, or the weights cannot be exported.
    """
    torch.set_num_threads(1)
    model, state = model_from_checkpoint(checkpoint)
    path = out or FOLDER / f"{model.config.name}{SUFFIX}"
    check_output(path)
    training = {key: state[key] for key in ("step", "seconds", "train")}
    pack = Pack(validation)
    picked = np.linspace(0, len(pack) - 1, min(photographs, len(pack))).round().astype(int)
    images = [np.ascontiguousarray(pack.image(index)) for index in picked.tolist()]
    weights = measure_rates(weights_of(model, {}, training), images)
    save_weights(weights, path)
    load_weights(path)
    return path, weights
