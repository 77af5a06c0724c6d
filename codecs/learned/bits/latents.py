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

from isorate.codecs.learned.bits.integer_priors import SYMBOL_LIMIT, ConditionedPriors, StepParameters
from isorate.codecs.learned.bits.knob_codes import KnobCodes
from isorate.codecs.learned.bits.symbol_coder import ProbabilityTables, SymbolDecoder, SymbolEncoder
from isorate.codecs.learned.config import ModelConfig
from isorate.codecs.learned.partition import STEPS, join_steps, split_steps
from isorate.codecs.learned.rate_aware import WEIGHT, settled_symbols

LATENT_STRIDE = 16
HYPER_STRIDE = 64


@dataclass(frozen=True, slots=True)
class Latents:
    """The symbols of one picture; a latent is Δ times its symbol.

    Attributes
    ----------
    w
        (C, h, w), int32, |symbol| ≤ 32767.
    z
        (M, 4h, 4w), int32, |symbol| ≤ 32767.
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
    parts = iter(_steps_of(torch.from_numpy(latents.z)))
    return _run(latents.w, priors, lambda _: next(parts))


def settle_latents(
    w: NDArray[np.int32], y: Tensor, priors: ConditionedPriors, tables: ProbabilityTables, weight: float = WEIGHT
) -> tuple[Latents, list[CodedStep]]:
    """Round `y` by cost (:mod:`~isorate.codecs.learned.rate_aware`); return the latents and their eight steps.

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
    parts = iter(_steps_of(y.cpu()))
    size = (y.shape[0], y.shape[1] // 2, y.shape[2] // 2)

    def choose(parameters: StepParameters) -> NDArray[np.int32]:
        return settled_symbols(next(parts).ravel(), parameters, tables, weight).reshape(size)

    steps, _ = _run(w, priors, choose)
    z = join_steps([torch.from_numpy(step.symbols.reshape(1, *size)) for step in steps[STEPS:]])[0]
    return Latents(w, z.contiguous().numpy()), steps


def _steps_of(latent: Tensor) -> list[NDArray[Any]]:
    """Return the four steps of `latent` (M, 4h, 4w): each (M, 2h, 2w)."""
    return [part[0].numpy() for part in split_steps(latent[None])]


def _run(
    w: NDArray[np.int32], priors: ConditionedPriors, symbols_of: Callable[[StepParameters], NDArray[np.int32]]
) -> tuple[list[CodedStep], Tensor]:
    """Run the priors over w and the steps of z that `symbols_of` gives; return all steps and the features of w."""
    groups = np.split(w, STEPS)
    known = [priors.activation(group) for group in groups]
    height, width = w.shape[1:]
    steps = [
        CodedStep(group.ravel(), priors.hyper_step(index, known[:index], height, width))
        for index, group in enumerate(groups)
    ]
    features = priors.features(torch.cat(known))
    known = []
    for index in range(STEPS):
        parameters = priors.latent_step(index, known, features)
        part = symbols_of(parameters)
        known.append(priors.activation(part))
        steps.append(CodedStep(part.ravel(), parameters))
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


def read_payload(
    payload: bytes, size: tuple[int, int], config: ModelConfig, priors: ConditionedPriors, tables: ProbabilityTables
) -> tuple[Latents, Tensor]:
    """Return the latents of a picture whose w is of `size`, and the features of w in units of 2^-8.

    Raises
    ------
    BitstreamError
        When the payload is damaged.
    """
    height, width = size
    decoder = SymbolDecoder(tables, payload)
    groups: list[NDArray[np.int32]] = []
    known: list[Tensor] = []
    for index in range(STEPS):
        symbols = decoder.decode(priors.hyper_step(index, known, height, width))
        groups.append(symbols.reshape(config.hyper_channels // STEPS, height, width))
        known.append(priors.activation(groups[-1]))
    features = priors.features(torch.cat(known))
    parts: list[NDArray[np.int32]] = []
    known = []
    for index in range(STEPS):
        symbols = decoder.decode(priors.latent_step(index, known, features))
        parts.append(symbols.reshape(config.latent_channels, 2 * height, 2 * width))
        known.append(priors.activation(parts[-1]))
    decoder.finish()
    z = join_steps([torch.from_numpy(part)[None] for part in parts])[0].contiguous().numpy()
    return Latents(np.concatenate(groups), z), features
