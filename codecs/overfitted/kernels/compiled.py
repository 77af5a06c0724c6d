"""How kernels are compiled, and what they have in common."""

from numba import njit

FASTMATH = {"contract", "reassoc", "nsz", "arcp"}
TILE = 128
"""Positions that a kernel works on at a time: everything about them stays in the first cache."""
LANES = 16
"""Partial sums of a gradient, so that a sum over positions needs none across a vector."""
compiled = njit(fastmath=FASTMATH, error_model="numpy", nogil=True, cache=True)
inlined = njit(fastmath=FASTMATH, error_model="numpy")
