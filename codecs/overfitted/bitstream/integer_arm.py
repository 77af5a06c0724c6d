"""The context model in integers: the same densities on any machine, in any order of summation.

Every number is a whole one of 2^-10 held in float64. A weight is below 2^5, an activation is held within ±2^15, so a
sum of 32 products stays below 2^(5 + 10 + 15 + 10 + 5) = 2^45 of 2^-20: floating point never rounds.
"""

import numpy as np
from numpy.typing import NDArray

from isorate.codecs.overfitted.bitstream.parameters import UNIT_BITS
from isorate.codecs.overfitted.bitstream.starts import Params
from isorate.codecs.overfitted.bitstream.symbols import Densities
from isorate.codecs.overfitted.bitstream.tables import LOWEST_LOG_SCALE, SCALES, SCALES_PER_UNIT
from isorate.codecs.overfitted.model.context_model import LOG_SCALE_SHIFT
from isorate.codecs.overfitted.model.structure import CONTEXT, FEATURES, LEVELS, Grid

UNIT = 1 << UNIT_BITS
LIMIT = float(1 << 15 + UNIT_BITS)
MEAN_STEPS = 16
SCALE_SHIFT = round((-LOG_SCALE_SHIFT - LOWEST_LOG_SCALE) * UNIT)
"""Added to a log-scale, so that 0 is the smallest scale."""
Reals = NDArray[np.float64]


class IntegerArm:
    """The context model of one stream.

    Parameters
    ----------
    params
        The decoded parameters, multiples of 2^-10.
    """

    def __init__(self, params: Params) -> None:
        hidden = []
        for name in ("arm.hidden0", "arm.hidden1"):
            weight = params[f"{name}.weight"] + np.eye(CONTEXT)
            rows = np.column_stack([weight, params[f"{name}.bias"]])
            hidden.append(np.vstack([rows, np.eye(CONTEXT + 1)[-1:]]) * UNIT)
        self._hidden = hidden
        self._out = np.column_stack([params["arm.out.weight"], params["arm.out.bias"]]) * UNIT
        self._linear = np.column_stack([params["arm.linear.weight"], np.zeros(2)]) * UNIT
        self._features = {
            level: (params[f"features.{level}.weight"] * UNIT, params[f"features.{level}.bias"] * UNIT)
            for level in range(LEVELS)
            if f"features.{level}.weight" in params
        }

    def densities(self, context: Reals) -> Densities:
        """Map contexts (CONTEXT + 1, n), in units of 2^-10, the last row 1, to the densities of n latents."""
        h = context
        for weight in self._hidden:
            h = _rounded(weight @ h)
            np.clip(h, 0, LIMIT, out=h)
        out = _rounded(self._out @ h + self._linear @ context)
        mean = np.floor(out[0] * (MEAN_STEPS / UNIT) + 0.5)
        scale = np.floor((out[1] + SCALE_SHIFT) * (SCALES_PER_UNIT / UNIT) + 0.5)
        return Densities(
            scale=np.clip(scale, 0, SCALES - 1).astype(np.int64),
            mean=np.clip(mean, -LIMIT, LIMIT).astype(np.int64),
        )

    def features(self, decoded: dict[int, list[NDArray[np.int64]]], grid: Grid) -> Reals:
        """Return what the grids in `decoded` say to the latents of `grid`: (features, height, width), units of 2^-10.

        Zeros for grids that see no others.
        """
        if grid.level not in self._features:
            return np.zeros((FEATURES, grid.height, grid.width))
        weight, bias = self._features[grid.level]
        found: Reals | None = None
        at = 0
        for coarser in reversed(range(grid.level + 1, LEVELS)):
            values = np.stack(decoded[coarser]).astype(np.float64)
            here = (weight[:, at : at + len(values)] @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])
            at += len(values)
            found = here if found is None else _repeated(found, here.shape[1], here.shape[2]) + here
        assert found is not None
        held = np.clip(found + bias[:, None, None], -LIMIT, LIMIT)
        return _repeated(held, grid.height, grid.width)


def _rounded(sums: Reals) -> Reals:
    """Return sums of products in units of 2^-10, half a unit rounded up; `sums` is overwritten."""
    np.multiply(sums, 1 / UNIT, out=sums)
    np.add(sums, 0.5, out=sums)
    return np.floor(sums, out=sums)


def _repeated(x: Reals, height: int, width: int) -> Reals:
    return x.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
