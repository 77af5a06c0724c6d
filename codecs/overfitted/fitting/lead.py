"""λ is led to a size while latents descend."""

import math

from isorate.codecs.overfitted.fitting.goal import Goal

TIMES = 100
"""How often λ is led in phase 2."""
WEIGH_NETS_AT = (40, 70, 85)
"""When, of these times, the nets' bits are measured by quantizing them."""
UNTIL = 95
"""The last time: after it latents hardly move."""
FIRST_STEP, FIRST, FIRST_OF_SHORT = 300, 15, 40
"""From which step and time on: before, latents have not found their places yet. Short fits do not wait longer than the
last of these times."""
DELAY, LEAST_DELAY, DELAY_OF_SHORT = 0.06, 200, 0.15
"""For a gap in log size of 1, λ changes e-fold in this share of phase 2, slower than latents follow; where that are
fewer than some steps, in those, or in a larger share."""
LARGEST_GAP = 0.7
LEAST_FALL, MOST_FALL, FALL_OF_ONE_BIT, FALL_POWER = 0.3, 0.9, 0.13, 1.5
"""At a fixed λ the bits of rounded latents, in the log, stand this much above those of the file while a share d of
phase 2 is over: f · (1 - d)^FALL_POWER with f = FALL_OF_ONE_BIT / √b between the least and the most, where b are the
latents' bits a pixel in the file. Without it λ would answer a fall that comes by itself."""
EXPECTED_OVERHEAD = 6000.0
"""Bits of the nets, and what their quantization adds to the latents', until they are measured."""


class Lead:
    """Leads the λ of a goal.

    Parameters
    ----------
    goal
        The size that is wanted.
    steps
        Of phase 2.
    num_pixels
        Of the picture.
    """

    def __init__(self, goal: Goal, steps: int, num_pixels: int) -> None:
        self._goal, self._steps, self._num_pixels = goal, steps, num_pixels
        self._every = max(1, steps // TIMES)
        self._overhead = EXPECTED_OVERHEAD

    def is_due(self, step: int) -> bool:
        """Return whether λ is to be moved before `step`."""
        time, rest = divmod(step, self._every)
        begun = time >= FIRST and (step >= FIRST_STEP or time >= FIRST_OF_SHORT)
        return self._goal.num_bytes is not None and not rest and begun and time < UNTIL

    def weighs_nets(self, step: int) -> bool:
        """Return whether, then, the nets' bits are to be measured."""
        return step // self._every in WEIGH_NETS_AT

    def weigh_nets(self, bits: float) -> None:
        """Take the bits of the nets, and those that their quantization will add to the latents'."""
        self._overhead = bits

    def move(self, step: int, bits: float) -> None:
        """Move λ by the bits of the rounded latents."""
        left = 1 - step / self._steps
        wanted = self._goal.left_for_latents(self._overhead) / self._num_pixels
        fall = min(max(FALL_OF_ONE_BIT / math.sqrt(wanted), LEAST_FALL), MOST_FALL) * left**FALL_POWER
        gap = self._goal.gap(bits * math.exp(-fall) + self._overhead)
        delay = max(DELAY * self._steps, min(LEAST_DELAY, DELAY_OF_SHORT * self._steps))
        self._goal.move(self._every / delay * min(max(gap, -LARGEST_GAP), LARGEST_GAP))
