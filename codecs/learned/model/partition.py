"""The four-step quadtree partition of the latent (Li et al. 2023, DCVC-DC): the order in which z is coded.

The channels form four groups and every 2×2 neighbourhood has four positions. Each step codes another
group at each position, so that every step touches every position and every group once (a Latin square).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

STEPS = 4
GROUP_AT = ((0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 0, 3, 2))
"""GROUP_AT[step][position]: the channel group coded; positions in reading order of the 2×2 neighbourhood."""


def split_steps(z: Tensor) -> list[Tensor]:
    """Return the four steps of `z` (N, M, 2h, 2w): each (N, M, h, w), channels ordered by position, then channel."""
    n, channels, height, width = z.shape
    group = channels // STEPS
    cells = functional.pixel_unshuffle(z, 2).reshape(n, STEPS, group, STEPS, height // 2, width // 2)
    return [
        torch.cat([cells[:, GROUP_AT[step][position], :, position] for position in range(4)], dim=1)
        for step in range(STEPS)
    ]


def join_steps(parts: Sequence[Tensor]) -> Tensor:
    """Return the latent whose :func:`split_steps` is `parts`."""
    n, channels, height, width = parts[0].shape
    group = channels // STEPS
    split = [part.reshape(n, 4, group, height, width) for part in parts]
    groups = []
    for g in range(STEPS):
        order = [next(step for step in range(STEPS) if GROUP_AT[step][position] == g) for position in range(4)]
        groups.append(torch.stack([split[order[position]][:, position] for position in range(4)], dim=2))
    cells = torch.stack(groups, dim=1).reshape(n, channels * 4, height, width)
    return functional.pixel_shuffle(cells, 2)
