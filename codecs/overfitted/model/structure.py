"""The shape of a decoder: which grids a picture has, what the context model sees, how wide the nets are."""

from dataclasses import dataclass
from typing import TypeAlias

Params: TypeAlias = dict[str, tuple[int, ...]]

NEIGHBOUR_ROWS = ((-3, 0, 1), (-2, -1, 3), (-1, -2, 4), (0, -3, 3))
"""Causal neighbours of an element: (row, first column, columns), relative to it."""
NEIGHBOURS = tuple((row, first + place) for row, first, count in NEIGHBOUR_ROWS for place in range(count))
FEATURES = 4
"""Numbers that the context model draws from the coarser grids."""
CONTEXT = len(NEIGHBOURS) + FEATURES
FEATURE_LEVELS = 3
"""Grids 0, 1 and 2 see the grids coarser than they are."""
LEVELS = 7
"""Grids y_k at 1/2^k of the picture, k = 0..6."""
HYPER_LEVELS = (4, 5, 6)
"""Levels with a second grid, which only feeds the context model."""
HIDDEN = 16
"""Width of the synthesis."""
UPSAMPLING_TAPS = 4
"""Half of a symmetric kernel of 8."""
PULSE = (0.0, 0.0, 0.0, 1.0)
"""The first half of a kernel of 7 that passes its input on."""
BICUBIC = (-0.0351562, 0.2617187, 0.8789063, -0.1054687)
"""Weights of the four elements around an output that lies a quarter before the third: ×2 with a = -0.75."""
FILTER_TAPS = 4
"""The first half of a symmetric kernel of 7, its centre included."""


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid of latents.

    Attributes
    ----------
    level
        k: the grid has 1/2^k of the picture's sides.
    hyper
        Whether it only feeds the context model.
    height, width
        Its size.
    """

    level: int
    hyper: bool
    height: int
    width: int


def grids(height: int, width: int) -> tuple[Grid, ...]:
    """Return the grids of a picture in the order of their coding: from coarse to fine, a hyper-latent grid first."""
    found = []
    for level in reversed(range(LEVELS)):
        size = -(-height >> level), -(-width >> level)
        found += [Grid(level, True, *size)] if level in HYPER_LEVELS else []
        found.append(Grid(level, False, *size))
    return tuple(found)


def _grids_at(level: int) -> int:
    return 1 + (level in HYPER_LEVELS)


def parameters() -> Params:
    """Return the shape of every parameter by its name, in the order of their coding."""
    shapes: Params = {
        "arm.hidden0.weight": (CONTEXT, CONTEXT),
        "arm.hidden0.bias": (CONTEXT,),
        "arm.hidden1.weight": (CONTEXT, CONTEXT),
        "arm.hidden1.bias": (CONTEXT,),
        "arm.out.weight": (2, CONTEXT),
        "arm.out.bias": (2,),
        "arm.linear.weight": (2, CONTEXT),
    }
    for level in reversed(range(FEATURE_LEVELS)):
        inputs = sum(_grids_at(coarser) for coarser in range(level + 1, LEVELS))
        shapes[f"features.{level}.weight"] = (FEATURES, inputs)
        shapes[f"features.{level}.bias"] = (FEATURES,)
    for level in reversed(range(LEVELS - 1)):
        shapes[f"upsampling.{level}.weight"] = (UPSAMPLING_TAPS,)
        shapes[f"filter.{level}.weight"] = (FILTER_TAPS,)
    shapes |= {
        "synthesis.enter.weight": (HIDDEN, LEVELS),
        "synthesis.enter.bias": (HIDDEN,),
        "synthesis.leave.weight": (3, HIDDEN),
        "synthesis.leave.bias": (3,),
        "synthesis.residual0.weight": (3, 3, 3, 3),
        "synthesis.residual0.bias": (3,),
        "synthesis.residual1.weight": (3, 3, 3, 3),
        "synthesis.residual1.bias": (3,),
        "synthesis.linear.weight": (3, LEVELS),
        "synthesis.linear.bias": (3,),
    }
    return shapes


GRIDS = len(grids(1, 1))
"""How many grids a picture has, whatever its size."""
