"""The integers of one convolution of the priors, as a weights file holds them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

U_BITS = 12
V_BITS = 20
D_BITS = 21


@dataclass(frozen=True, slots=True)
class IntegerConvWeights:
    """One conditional convolution: Y_j = s_j(λ) · Σ_i X_i * W_ij + b_j(λ, Δ).

    Attributes
    ----------
    weight
        (out, in, kernel, kernel), int16.
    point
        Fractional bits of each output channel's weights: (out,), int32.
    u, v, d
        s(λ) = softplus(u·h), b(λ, Δ) = v·h + d·log2 Δ: (out, K), (out, K), (out,), int32, in units of 2^-12, 2^-20
        and 2^-21.
    """

    weight: NDArray[np.int16]
    point: NDArray[np.int32]
    u: NDArray[np.int32]
    v: NDArray[np.int32]
    d: NDArray[np.int32]
