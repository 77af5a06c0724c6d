"""The integer latents of a picture, step by step through the priors: estimated, written and read.

w comes first, in four channel groups; then z, in the four steps of the quadtree partition. Every step's parameters
depend on the steps before it only.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isorate.codecs.learned.bitstream.integer_priors import SYMBOL_LIMIT, ConditionedPriors, StepParameters
from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.symbols import ProbabilityTables, SymbolDecoder, SymbolEncoder
from isorate.codecs.learned.model.density import MEAN_LEVELS
from isorate.codecs.learned.model.partition import STEPS, join_steps, split_steps
from isorate.codecs.learned.model.quantization import RDOQ_WEIGHT

LATENT_STRIDE = 16
HYPER_STRIDE = 64


@dataclass(frozen=True, slots=True)
class Latents:
    """The symbols of one picture; a latent is Δ times its symbol.

    Attributes
    ----------
    w
        (C, h, w), int32, magnitude up to 32767.
    z
        (M, 4h, 4w), int32, magnitude up to 32767.
    """

    w: NDArray[np.int32]
    z: NDArray[np.int32]

    def checksum(self, codes: KnobCodes) -> int:
        """Return the CRC-32 of both codes (big-endian 16 bits each), then w, then z (little-endian 16 bits each)."""
        crc = zlib.crc32(codes.lmbda.to_bytes(2, "big") + codes.bin_size.to_bytes(2, "big"))
        for part in (self.w, self.z):
            crc = zlib.crc32(part.astype("<i2").tobytes(), crc)
        return crc


@dataclass(frozen=True, slots=True)
class CodedStep:
    """One step: its symbols, flat, and their parameters."""

    symbols: NDArray[np.int32]
    parameters: StepParameters


def hyper_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width of w for a picture of `height` × `width` pixels."""
    return -(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE)


def to_symbols(values: Tensor) -> NDArray[np.int32]:
    """Return `values` / Δ, (C, h, w) float, rounded to symbols."""
    rounded = torch.round(values).clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
    return np.ascontiguousarray(rounded.to(torch.int32).cpu().numpy())


def run_priors(latents: Latents, priors: ConditionedPriors) -> tuple[list[CodedStep], Tensor]:
    """Return the eight steps of `latents` in coding order, and the features of w in units of 2^-8."""
    parts = iter((*np.split(latents.w, STEPS), *_steps_of(torch.from_numpy(latents.z))))
    height, width = latents.w.shape[1:]
    return _walk((height, width), priors, lambda _: next(parts).ravel())


def rdoq_latents(
    w: NDArray[np.int32], y: Tensor, priors: ConditionedPriors, tables: ProbabilityTables, weight: float = RDOQ_WEIGHT
) -> tuple[Latents, list[CodedStep]]:
    """Round `y` by cost (:func:`rdoq_symbols`); return the latents and their eight steps.

    Parameters
    ----------
    w
        The hyper-latent's symbols, (C, h, w).
    y
        The latent before quantization in units of Δ, (M, 4h, 4w), float32.
    priors, tables
        Of the weights file, at this (λ, Δ).
    weight
        Bits that a squared error of one bin is worth.
    """
    groups, parts = iter(np.split(w, STEPS)), iter(_steps_of(y.cpu()))

    def choose(parameters: StepParameters) -> NDArray[np.int32]:
        group = next(groups, None)
        return rdoq_symbols(next(parts).ravel(), parameters, tables, weight) if group is None else group.ravel()

    height, width = w.shape[1:]
    steps, _ = _walk((height, width), priors, choose)
    return _latents_of(steps, (height, width)), steps


def rdoq_symbols(
    y: NDArray[np.float32], parameters: StepParameters, tables: ProbabilityTables, weight: float = RDOQ_WEIGHT
) -> NDArray[np.int32]:
    """Return the symbols of one step, rounded by cost (RDOQ).

    That is :func:`~isorate.codecs.learned.model.quantization.nearest_or_cheaper` with the costs of the file's own
    tables.

    Parameters
    ----------
    y
        The step's elements in units of Δ, flat, in the order of `parameters`.
    parameters
        Table and whole part of the mean of each.
    tables
        The probabilities of the weights file.
    weight
        Another one than :data:`~isorate.codecs.learned.model.quantization.RDOQ_WEIGHT`: a larger one gives a larger
        file.
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


def _steps_of(latent: Tensor) -> list[NDArray[Any]]:
    """Return the four steps of `latent` (M, 4h, 4w): each (M, 2h, 2w)."""
    return [part[0].numpy() for part in split_steps(latent[None])]


def _latents_of(steps: list[CodedStep], size: tuple[int, int]) -> Latents:
    """Return the latents of the eight `steps`; w is of `size`."""
    height, width = size
    w = np.concatenate([step.symbols.reshape(-1, height, width) for step in steps[:STEPS]])
    parts = [torch.from_numpy(step.symbols.reshape(1, -1, 2 * height, 2 * width)) for step in steps[STEPS:]]
    return Latents(w, join_steps(parts)[0].contiguous().numpy())


def _walk(
    size: tuple[int, int], priors: ConditionedPriors, symbols_of: Callable[[StepParameters], NDArray[np.int32]]
) -> tuple[list[CodedStep], Tensor]:
    """Run the priors over the eight steps, each with the symbols (flat) that `symbols_of` gives for its parameters.

    Returns
    -------
    The steps, and the features of w, which is of `size`.
    """
    height, width = size
    steps: list[CodedStep] = []

    def taken(parameters: StepParameters, rows: int, columns: int) -> Tensor:
        steps.append(CodedStep(symbols_of(parameters), parameters))
        return priors.activation(steps[-1].symbols.reshape(-1, rows, columns))

    known: list[Tensor] = []
    for index in range(STEPS):
        known.append(taken(priors.hyper_step(index, known, height, width), height, width))
    features = priors.features(torch.cat(known))
    known = []
    for index in range(STEPS):
        known.append(taken(priors.latent_step(index, known, features), 2 * height, 2 * width))
    return steps, features


def estimated_bits(steps: list[CodedStep], tables: ProbabilityTables) -> float:
    """Return the bits that the steps' symbols will take."""
    return sum(tables.bits(step.symbols, step.parameters) for step in steps)


def write_payload(steps: list[CodedStep], tables: ProbabilityTables) -> bytes:
    """Return the entropy-coded steps."""
    encoder = SymbolEncoder(tables)
    for step in steps:
        encoder.encode(step.symbols, step.parameters)
    return encoder.finish()


def symbol_count(size: tuple[int, int], hyper_channels: int, latent_channels: int) -> int:
    """Return how many symbols w and z have together; w is of `size`."""
    return size[0] * size[1] * (hyper_channels + latent_channels * (HYPER_STRIDE // LATENT_STRIDE) ** 2)


def read_payload(
    payload: bytes, size: tuple[int, int], priors: ConditionedPriors, tables: ProbabilityTables
) -> tuple[Latents, Tensor]:
    """Return the latents of a picture whose w is of `size`, and the features of w in units of 2^-8.

    Raises
    ------
    BitstreamError
        When the payload is damaged.
    """
    decoder = SymbolDecoder(tables, payload)
    steps, features = _walk(size, priors, decoder.decode)
    decoder.finish()
    return _latents_of(steps, size), features
