"""How kernels are compiled, and what they have in common."""

from numba import njit

TILE = 128
"""Positions that a kernel works on at a time: everything about them stays in the first cache."""
LANES = 16
"""Partial sums of a gradient, so that a sum over positions needs none across a vector."""
compiled = njit(fastmath={"contract", "reassoc", "nsz", "arcp"}, nogil=True, cache=True)
inlined = njit(fastmath={"contract", "reassoc", "nsz", "arcp"})
