"""Rounding by rate-distortion cost: an element goes to the nearest whole number, or to the next one towards its mean.

In symbols' units the choice minimises bits(z) + :data:`WEIGHT` · (y - z)², step by step in coding order, where the
parameters of an element are known from the steps before it. It is the encoder's business alone: the format does not
know of it. (Sullivan & Wiegand 1998 and HEVC's encoders choose levels in this way.)

Theory gives the weight 6 / ln 2 = 8.7 where Δ is what λ asks for. The best weight is larger, since a trained analysis
has already moved its latents towards cheap values; at another Δ, which stands for another λ, it is the same.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isorate.codecs.learned import gaussian
from isorate.codecs.learned.bits.integer_priors import SYMBOL_LIMIT, StepParameters
from isorate.codecs.learned.bits.symbol_coder import ProbabilityTables
from isorate.codecs.learned.gaussian import MEAN_LEVELS

WEIGHT = 30.0
"""Bits that a squared error of one bin is worth. Measured on validation photographs, see docs/training.md."""


def nearest_or_cheaper(y: Tensor, mean: Tensor, octaves: Tensor) -> Tensor:
    """Return `y` rounded by cost, in units of Δ; without a gradient.

    Parameters
    ----------
    y, mean
        Elements and their means, in units of Δ.
    octaves
        log2(σ/Δ).
    """
    y, mean, octaves = y.detach().float(), mean.detach().float(), octaves.detach().float()
    nearest = torch.round(y)
    other = nearest + torch.sign(mean - nearest) * ((mean - nearest).abs() > 0.5)
    saved = gaussian.bits(nearest, mean, octaves) - gaussian.bits(other, mean, octaves)
    return torch.where(saved > WEIGHT * ((y - other).square() - (y - nearest).square()), other, nearest)


def settled_symbols(
    y: NDArray[np.float32], parameters: StepParameters, tables: ProbabilityTables, weight: float = WEIGHT
) -> NDArray[np.int32]:
    """Return the symbols of one step: :func:`nearest_or_cheaper` with the costs of the file's own tables.

    Parameters
    ----------
    y
        The step's elements in units of Δ, flat, in the order of `parameters`.
    parameters
        Table and whole part of the mean of each.
    tables
        The probabilities of the weights file.
    weight
        Another one than :data:`WEIGHT`: a larger one gives a larger file.
    """
    symbols = np.rint(y).clip(-SYMBOL_LIMIT, SYMBOL_LIMIT).astype(np.int32)
    away = symbols - (parameters.floor + parameters.table % MEAN_LEVELS / MEAN_LEVELS)
    open_ = np.flatnonzero(np.abs(away) > 0.5)
    nearest, chosen = symbols[open_], StepParameters(parameters.table[open_], parameters.floor[open_])
    other = nearest - np.sign(away[open_]).astype(np.int32)
    saved = tables.costs_of(nearest, chosen) - tables.costs_of(other, chosen)
    cost = weight * (np.square(y[open_] - other) - np.square(y[open_] - nearest))
    symbols[open_] = np.where(saved > cost, other, nearest)
    return symbols
