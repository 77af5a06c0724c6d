"""The nets' parameters as a stream holds them: whole numbers of a step for each kind, coded as Laplace numbers.

A parameter is its start plus a whole number of steps of 2^-s. The context model and its features are computed in
integers, in units of 2^-10: their steps are no finer than that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.overfitted.bitstream.starts import Params, start
from isorate.codecs.overfitted.bitstream.symbols import Densities, SymbolDecoder, SymbolEncoder, bits
from isorate.codecs.overfitted.bitstream.tables import SCALES
from isorate.codecs.overfitted.model.structure import parameters
from isorate.errors import BitstreamError

UNIT_BITS = 10
"""The context model's numbers are multiples of 2^-10."""
FINEST = 15
Levels = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Kind:
    """Parameters that share a step.

    Attributes
    ----------
    nets
        The first parts of their names.
    bias
        Whether they are biases; None for both.
    finest
        The finest step is 2^-finest.
    """

    nets: tuple[str, ...]
    bias: bool | None
    finest: int

    @property
    def of_picture(self) -> bool:
        """Whether they make the picture; the others are the context model's, which is computed in integers."""
        return self.finest != UNIT_BITS

    @property
    def names(self) -> list[str]:
        """The parameters, in the order of their coding."""
        return [
            name
            for name in parameters()
            if name.partition(".")[0] in self.nets and self.bias in (None, name.endswith("bias"))
        ]


KINDS = (
    Kind(("arm",), False, UNIT_BITS),
    Kind(("arm",), True, UNIT_BITS),
    Kind(("features",), None, UNIT_BITS),
    Kind(("upsampling", "filter"), None, FINEST),
    Kind(("synthesis",), False, FINEST),
    Kind(("synthesis",), True, FINEST),
)


@dataclass(frozen=True, slots=True)
class Coding:
    """How a kind's levels are coded.

    Attributes
    ----------
    step
        s: the step is 2^-s.
    scale
        Index of the Laplace scale of the levels.
    """

    step: int
    scale: int


def quantized(values: Params, kind: Kind, step: int, first: Params) -> Levels:
    """Return the levels of the parameters of `kind` in steps of 2^-step from `first`."""
    return {name: np.rint(np.ldexp(values[name] - first[name], step)).astype(np.int64) for name in kind.names}


def restored(levels: Levels, kind: Kind, coding: Coding, first: Params) -> Params:
    """Return the parameters of `kind` that `levels` from `first` stand for."""
    return {name: first[name] + np.ldexp(levels[name].astype(np.float64), -coding.step) for name in kind.names}


def all_restored(levels: Levels, codings: tuple[Coding, ...], number: int) -> Params:
    """Return all parameters that `levels` from start `number` stand for."""
    found: Params = {}
    for kind, coding in zip(KINDS, codings, strict=True):
        found |= restored(levels, kind, coding, start(number))
    return found


def flat(levels: Levels, kind: Kind) -> NDArray[np.int64]:
    """Return the levels of `kind`, one after the other."""
    return np.concatenate([levels[name].ravel() for name in kind.names])


def best_scale(numbers: NDArray[np.int64]) -> tuple[int, float]:
    """Return the index of the scale that codes `numbers` in the fewest bits, and those bits."""
    values, counts = np.unique(numbers, return_counts=True)
    every = np.arange(SCALES).repeat(len(values))
    costs = bits(np.tile(values, SCALES), Densities(every, np.zeros_like(every))).reshape(SCALES, -1) @ counts
    best = int(np.argmin(costs))
    return best, float(costs[best])


def count_bits(levels: Levels) -> float:
    """Return the bits of all parameters, each kind under its best scale."""
    return sum(best_scale(flat(levels, kind))[1] for kind in KINDS)


def write(encoder: SymbolEncoder, levels: Levels, codings: tuple[Coding, ...]) -> None:
    """Append all parameters."""
    for kind, coding in zip(KINDS, codings, strict=True):
        numbers = flat(levels, kind)
        encoder.encode(numbers, _densities(len(numbers), coding.scale))


def read(decoder: SymbolDecoder, codings: tuple[Coding, ...]) -> Levels:
    """Return the levels that :func:`write` wrote.

    Raises
    ------
    BitstreamError
        When the payload is damaged, or a parameter of the context model is beyond ±32.
    """
    shapes = parameters()
    found: Levels = {}
    for kind, coding in zip(KINDS, codings, strict=True):
        sizes = [int(np.prod(shapes[name])) for name in kind.names]
        numbers = decoder.decode(_densities(sum(sizes), coding.scale))
        if not kind.of_picture and np.abs(numbers).max() >> coding.step > 31:
            raise BitstreamError("overfitted: the payload is damaged, a parameter is out of range")
        parts = np.split(numbers, np.cumsum(sizes)[:-1])
        found |= {name: part.reshape(shapes[name]) for name, part in zip(kind.names, parts, strict=True)}
    return {name: found[name] for name in shapes}


def _densities(count: int, scale: int) -> Densities:
    return Densities(np.full(count, scale, np.int64), np.zeros(count, np.int64))
