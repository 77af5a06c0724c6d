"""What the tensors of a weights file must be for its configuration: looked at before a network is built of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.learned.bitstream.tables import bin_sizes, dropped_bits, reciprocals, softplus
from isorate.codecs.learned.bitstream.weights import PRIOR, TABLE, TRANSFORM, Weights
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.density import MEAN_LEVELS, SCALE_COUNT
from isorate.codecs.learned.model.priors import PriorConv2d
from isorate.codecs.learned.model.skeleton import skeleton

MOST_POINT = 24
"""Fractional bits of a prior's weights."""
FURTHEST = 2**15
"""From the mean to a probability table's first number."""
_Form = tuple[tuple[int, ...], tuple[str, ...]]
_FLOATS: tuple[str, ...] = ("float16", "float32")
_INTEGERS: tuple[str, ...] = ("int32",)


def misfit(weights: Weights) -> str:
    """Return what is wrong with the tensors of a weights file, by their names in it; nothing where they fit."""
    forms = _forms(weights.config)
    tensors = {name: value for name, value in weights.tensors().items() if not name.startswith(TABLE)}
    if unknown := sorted(tensors.keys() - forms.keys()):
        return f"its model has no {unknown[0]}"
    for name, (shape, types) in forms.items():
        if name not in tensors:
            return f"it lacks {name}"
        value = tensors[name]
        if value.shape != shape or value.dtype.name not in types:
            return f"{name} is {value.dtype.name} of {value.shape}, not {' or '.join(types)} of {shape}"
        if name.endswith(".point") and ((value < 0) | (value > MOST_POINT)).any():
            return f"{name} has fractional bits beyond 0 to {MOST_POINT}"
    return next((f"{TABLE}{name} is absent or not of this layout" for name in _odd_tables(weights.tables)), "")


def _forms(config: ModelConfig) -> dict[str, _Form]:
    """Return shape and possible types of every tensor of the model, by its name in the file."""
    model = skeleton(config)
    forms: dict[str, _Form] = {
        TRANSFORM + name: (tuple(value.shape), _FLOATS) for name, value in model.named_parameters()
    }
    for module_name, conv in model.named_modules():
        if isinstance(conv, PriorConv2d):
            for name, value in conv.named_parameters():
                del forms[f"{TRANSFORM}{module_name}.{name}"]
                types = ("int16",) if name == "weight" else _INTEGERS
                forms[f"{PRIOR}{module_name}.{name}"] = tuple(value.shape), types
            forms[f"{PRIOR}{module_name}.point"] = (len(conv.weight),), _INTEGERS
    return forms


def _odd_tables(tables: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the tables that are not this layout's: the probabilities are the file's own, all else is to a rounding."""
    dropped = dropped_bits()
    known = {"bin_size": bin_sizes(), "reciprocal": reciprocals(), "softplus": softplus(), "dropped_bits": dropped}
    levels = np.arange(SCALE_COUNT * MEAN_LEVELS) % MEAN_LEVELS
    used = levels % (1 << dropped.repeat(MEAN_LEVELS)) == 0
    none = np.zeros(0, np.int32)
    counts, lowest, frequencies = (tables.get(name, none) for name in ("counts", "lowest", "frequencies"))
    good = {
        # another machine may round a function's value to the other side
        **{name: _near(tables.get(name, none), table, 0 if table is dropped else 1) for name, table in known.items()},
        "counts": _near(counts, counts, 0) and np.array_equal(counts > 0, used) and counts.min() >= 0,
        "lowest": _near(lowest, np.zeros(used.shape, np.int32), FURTHEST),
        "frequencies": _near(frequencies, frequencies, 0) and len(frequencies) == counts.sum(dtype=np.int64),
    }
    return [*(name for name, fits in good.items() if not fits), *sorted(tables.keys() - good.keys())]


def _near(found: NDArray[Any], table: NDArray[np.int32], most: int) -> bool:
    alike = found.dtype == np.int32 and found.ndim == 1 and found.shape == table.shape
    return alike and not (np.abs(found.astype(np.int64) - table) > most).any()
