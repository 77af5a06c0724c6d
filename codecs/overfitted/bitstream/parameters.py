"""The nets' parameters as a stream holds them: whole numbers of a step, each kind coded as Laplace numbers of a scale.

A parameter is its start plus a whole number of steps of 2^-s. The context model and its features are computed in
integers, in units of 2^-10: their steps are no finer than that. A stream says s for each kind; from version 2 on, what
the picture or the bits react to more strongly has a finer step than its kind by a power of two that is always the same.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.overfitted.bitstream.levels import LevelCode, bits_by_scale, level_code
from isorate.codecs.overfitted.bitstream.starts import KEPT, Params, start
from isorate.codecs.overfitted.bitstream.symbols import SymbolDecoder, SymbolEncoder
from isorate.codecs.overfitted.model.structure import parameters
from isorate.errors import BitstreamError

UNIT_BITS = 10
"""The context model's numbers are multiples of 2^-10."""
FINEST = 15
FINER = {
    "arm.out.weight": 2,
    "arm.out.bias": 1,
    "arm.linear.weight": 1,
    "features.2.bias": -2,
    "features.1.bias": -1,
    "features.0.weight": 1,
    "features.0.bias": -1,
    "upsampling.5.weight": -2,
    "upsampling.3.weight": 1,
    "upsampling.2.weight": 1,
    "upsampling.1.weight": 2,
    "upsampling.0.weight": 2,
    "filter.5.weight": -1,
    "filter.4.weight": -1,
    "filter.0.weight": -1,
    "synthesis.enter.bias": -1,
    "synthesis.leave.bias": 1,
    "synthesis.residual0.weight": -1,
    "synthesis.residual0.bias": 1,
    "synthesis.residual1.bias": 2,
    "synthesis.linear.weight": 2,
    "synthesis.linear.bias": 2,
}
"""By how much the s of a parameter is above its kind's, where it is: the mean of what six photographs of the training
pack wanted (curvature of D + λR against bits)."""
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


@dataclass(frozen=True, slots=True)
class Reading:
    """What levels mean.

    Attributes
    ----------
    start
        What they are differences to: the number of :mod:`isorate.codecs.overfitted.bitstream.starts`.
    version
        Of the file format.
    """

    start: int
    version: int

    @property
    def first(self) -> Params:
        """The parameters whose levels are 0."""
        return start(self.start)

    @property
    def kept(self) -> frozenset[str]:
        """Parameters that stay as they start: their levels are 0 and not in the stream."""
        return KEPT.get(self.start, frozenset())

    def coded(self, kind: Kind) -> list[str]:
        """Return the parameters of `kind` whose levels a stream has, in their order."""
        return [name for name in kind.names if name not in self.kept]

    def exponent(self, kind: Kind, name: str, step: int) -> int:
        """Return the s of the parameter `name`, whose `kind` has 2^-step."""
        return min(max(step + (FINER.get(name, 0) if self.version > 1 else 0), 0), kind.finest)

    def code(self, coding: Coding) -> LevelCode:
        """Return how levels are coded."""
        return level_code(coding.scale, self.version)


def quantized(values: Params, kind: Kind, step: int, reading: Reading) -> Levels:
    """Return the levels of the parameters of `kind`."""
    return {
        name: np.rint(np.ldexp(values[name] - reading.first[name], reading.exponent(kind, name, step))).astype(np.int64)
        for name in kind.names
    }


def restored(levels: Levels, kind: Kind, coding: Coding, reading: Reading) -> Params:
    """Return the parameters of `kind` that `levels` stand for."""
    return {
        name: reading.first[name]
        + np.ldexp(levels[name].astype(np.float64), -reading.exponent(kind, name, coding.step))
        for name in kind.names
    }


def all_restored(levels: Levels, codings: tuple[Coding, ...], reading: Reading) -> Params:
    """Return all parameters that `levels` stand for."""
    found: Params = {}
    for kind, coding in zip(KINDS, codings, strict=True):
        found |= restored(levels, kind, coding, reading)
    return found


def flat(levels: Levels, kind: Kind, reading: Reading) -> NDArray[np.int64]:
    """Return the levels of `kind` that a stream has, one after the other."""
    return np.concatenate([levels[name].ravel() for name in reading.coded(kind)])


def best_scale(numbers: NDArray[np.int64], reading: Reading) -> tuple[int, float]:
    """Return the index of the scale that codes `numbers` in the fewest bits, and those bits."""
    values, counts = np.unique(numbers, return_counts=True)
    costs = [float(bits @ counts) for bits in bits_by_scale(values, reading.version)]
    best = int(np.argmin(costs))
    return best, costs[best]


def count_bits(levels: Levels, reading: Reading) -> float:
    """Return the bits of all parameters, each kind under its best scale."""
    return sum(best_scale(flat(levels, kind, reading), reading)[1] for kind in KINDS)


def write(encoder: SymbolEncoder, levels: Levels, codings: tuple[Coding, ...], reading: Reading) -> None:
    """Append all parameters."""
    for kind, coding in zip(KINDS, codings, strict=True):
        reading.code(coding).encode(encoder, flat(levels, kind, reading))


def read(decoder: SymbolDecoder, codings: tuple[Coding, ...], reading: Reading) -> Levels:
    """Return the levels that :func:`write` wrote.

    Raises
    ------
    BitstreamError
        When the payload is damaged, or a parameter of the context model is beyond ±32.
    """
    shapes = parameters()
    found: Levels = {name: np.zeros(shapes[name], np.int64) for name in reading.kept}
    for kind, coding in zip(KINDS, codings, strict=True):
        names = reading.coded(kind)
        sizes = [int(np.prod(shapes[name])) for name in names]
        numbers = reading.code(coding).decode(decoder, sum(sizes))
        parts = np.split(numbers, np.cumsum(sizes)[:-1])
        for name, part in zip(names, parts, strict=True):
            if not kind.of_picture and np.abs(part).max() >> reading.exponent(kind, name, coding.step) > 31:
                raise BitstreamError("overfitted: the payload is damaged, a parameter is out of range")
        found |= {name: part.reshape(shapes[name]) for name, part in zip(names, parts, strict=True)}
    return {name: found[name] for name in shapes}
