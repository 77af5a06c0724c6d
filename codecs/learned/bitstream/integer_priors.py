"""The priors in integers: ŵ → features → (table, whole part of the mean) of every symbol.

The nets of :mod:`isorate.codecs.learned.model.priors` on whole numbers; each side runs them and gets the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from isorate.codecs.learned.bitstream.conv_weights import IntegerConvWeights
from isorate.codecs.learned.bitstream.integer_conv import ConditionedConv, IntegerConv
from isorate.codecs.learned.bitstream.knobs import BIN_STEPS, KnobCodes
from isorate.codecs.learned.bitstream.tables import BIN_BITS, RECIPROCAL_BITS
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.density import LOG2_SCALE_STEP, LOWEST_LOG2_SCALE, MEAN_LEVELS, SCALE_COUNT
from isorate.codecs.learned.model.fixed_point import ACTIVATION_BITS, ACTIVATION_LIMIT, OUTPUT_LIMIT

SYMBOL_LIMIT = 2**15 - 1
"""Symbols are 16-bit integers."""
STRIP_POSITIONS = 4096
"""Positions whose windows are unfolded at a time; bounds the memory, not the result."""
HIDDEN = int(ACTIVATION_LIMIT) << ACTIVATION_BITS
OUTPUT = int(OUTPUT_LIMIT) << ACTIVATION_BITS
HALF_UNITS = BIN_STEPS >> ACTIVATION_BITS
"""log2 Δ is finer than an activation by this factor."""
OFFSET = round(-LOWEST_LOG2_SCALE * BIN_STEPS)
STEP = round(LOG2_SCALE_STEP * BIN_STEPS)


@dataclass(frozen=True, slots=True)
class StepParameters:
    """What the entropy coder is told of one step's symbols, in their order.

    Attributes
    ----------
    table
        Number of the probability table, 16 · scale index + fraction of the mean: int16.
    floor
        The whole part of the mean: int32.
    """

    table: NDArray[np.int16]
    floor: NDArray[np.int32]


class IntegerPriors:
    """All prior nets of one weights file.

    Parameters
    ----------
    convs
        The convolutions by their names in the model: ``latent_prior.nets.0.enter``.
    tables
        Those of :func:`~isorate.codecs.learned.bitstream.tables.all_tables`, by name.
    config
        The model's shape.
    device
        Where the products are computed; the result is the same everywhere.
    """

    def __init__(
        self,
        convs: Mapping[str, IntegerConvWeights],
        tables: Mapping[str, NDArray[np.int32]],
        config: ModelConfig,
        device: torch.device,
    ) -> None:
        self.config = config
        self.device = device
        self._bin_size, self._reciprocal = tables["bin_size"], tables["reciprocal"]
        self._dropped_bits = tables["dropped_bits"]
        widest = SYMBOL_LIMIT * int(self._bin_size.max()) >> (BIN_BITS - ACTIVATION_BITS)
        self._convs = {
            name: IntegerConv(
                stored,
                tables["softplus"],
                OUTPUT if name.endswith(("leave", "first_mean", "first_octaves")) else HIDDEN,
                widest + 1 if name.endswith("enter") else HIDDEN,
                device,
            )
            for name, stored in convs.items()
        }

    def at(self, codes: KnobCodes) -> "ConditionedPriors":
        """Return the priors under the knobs `codes`."""
        return ConditionedPriors(
            {name: conv.at(codes) for name, conv in self._convs.items()},
            codes.log2_bin,
            int(self._bin_size[codes.bin_size]),
            int(self._reciprocal[codes.bin_size]),
            self._dropped_bits,
            self.device,
        )


class ConditionedPriors:
    """The prior nets at one (λ, Δ); tensors are whole numbers in float64, without a batch axis."""

    def __init__(
        self,
        convs: Mapping[str, ConditionedConv],
        log2_bin: int,
        bin_size: int,
        reciprocal: int,
        dropped_bits: NDArray[np.int32],
        device: torch.device,
    ) -> None:
        self._convs = convs
        self._dropped_bits = dropped_bits
        self._log2_bin, self._bin_size, self._reciprocal = log2_bin, bin_size, reciprocal
        self._device = device

    def activation(self, symbols: NDArray[np.int32]) -> Tensor:
        """Return the quantized latent, Δ · `symbols` in units of 2^-8: same shape, float64."""
        x = torch.from_numpy(np.ascontiguousarray(symbols)).to(self._device, torch.float64)
        shift = BIN_BITS - ACTIVATION_BITS
        return torch.floor(x * (self._bin_size * 2.0**-shift) + 0.5)

    def features(self, w: Tensor) -> Tensor:
        """Map the activations of w (C, h, w) to its features (P, 2h, 2w)."""
        hidden = self._convs["hyper_synthesis_net.enter"](w).clamp_(min=0)
        return functional.pixel_shuffle(self._convs["hyper_synthesis_net.up"](hidden), 2).clamp_(min=0)

    def hyper_step(self, index: int, known: Sequence[Tensor], height: int, width: int) -> StepParameters:
        """Return the parameters of group `index` of w, (C/4, height, width) in reading order, given those before."""
        if index == 0:
            ends = [self._convs[f"hyper_prior.{name}"] for name in ("first_mean", "first_octaves")]
            constant = torch.cat([end.requantize(torch.zeros_like(end.bias)) for end in ends])
            return self._parameters(constant.expand(-1, height * width))
        return self._step_net(f"hyper_prior.nets.{index - 1}", known)

    def latent_step(self, index: int, known: Sequence[Tensor], features: Tensor) -> StepParameters:
        """Return the parameters of step `index` of z, (M, height, width) in reading order, given those before."""
        return self._step_net(f"latent_prior.nets.{index}", [features, *known])

    def _step_net(self, name: str, known: Sequence[Tensor]) -> StepParameters:
        """Run one net in strips of whole rows, a row of overlap on either side."""
        enter, middle, leave = (self._convs[f"{name}.{part}"] for part in ("enter", "middle", "leave"))
        height, width = known[0].shape[1:]
        rows = max(1, STRIP_POSITIONS // width)
        outputs = []
        for top in range(0, height, rows):
            count = min(rows, height - top)
            start = 0
            sums: Tensor | None = None
            for part in known:
                columns = _columns(part, top, count)
                product = enter.rows[:, start : start + columns.shape[0]] @ columns
                sums = product if sums is None else sums.add_(product)
                start += columns.shape[0]
            assert sums is not None
            hidden = enter.requantize(sums).clamp_(min=0)
            hidden = middle.requantize(middle.rows @ hidden).clamp_(min=0)
            outputs.append(leave.requantize(leave.rows @ hidden))
        return self._parameters(torch.cat(outputs, dim=1))

    def _parameters(self, outputs: Tensor) -> StepParameters:
        """Return tables and whole means of [means | log2_scale], (2n, positions), in units of 2^-8."""
        mean, log2_scale = outputs.chunk(2)
        shift = ACTIVATION_BITS + RECIPROCAL_BITS - _log2(MEAN_LEVELS)
        levels = torch.floor(mean * (self._reciprocal * 2.0**-shift) + 0.5)
        place = log2_scale * HALF_UNITS + (OFFSET - self._log2_bin + STEP // 2)
        index = _integers(torch.floor(place / STEP).clamp_(0, SCALE_COUNT - 1))
        dropped = self._dropped_bits[index]
        level = (_integers(levels) + (1 << dropped >> 1)) >> dropped << dropped
        table = index * MEAN_LEVELS + (level & MEAN_LEVELS - 1)
        return StepParameters(table.astype(np.int16), level >> _log2(MEAN_LEVELS))


def _integers(x: Tensor) -> NDArray[np.int32]:
    return x.to(torch.int32).flatten().cpu().numpy()


def _columns(x: Tensor, top: int, count: int) -> Tensor:
    """Return the 3×3 windows around rows `top` .. `top + count` of `x` (C, height, width): (9C, count · width)."""
    above, below = min(1, top), min(1, x.shape[1] - top - count)
    rows = x[None, :, top - above : top + count + below]
    padded = functional.pad(rows, (1, 1, 1 - above, 1 - below))
    return functional.unfold(padded, 3)[0]


def _log2(power: int) -> int:
    return power.bit_length() - 1
