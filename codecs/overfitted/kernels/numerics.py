"""Elementary functions that LLVM vectorizes: polynomials, since the C library's take one number at a time."""

import numpy as np

from isorate.codecs.overfitted.kernels.compiled import inlined

LOG2_E = np.float32(1.442695040888963)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
LN2 = np.float32(0.6931471805599453)
ONE, HALF, TWO = np.float32(1), np.float32(0.5), np.float32(2)
LOWEST = np.float32(-87)
"""Below it exp is no normal number."""
HIGHEST = np.float32(88)
E0, E1, E2, E3, E4, E5 = (
    np.float32(value)
    for value in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
)
L0, L1, L2, L3, L4, L5, L6, L7, L8 = (
    np.float32(value)
    for value in (
        7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )
)  # fmt: skip
MANTISSA, EXPONENT_BIAS = np.int32(0x007FFFFF), np.int32(127)
HALF_BITS = np.int32(0x3F000000)
ROOT_HALF = np.float32(0.7071067811865476)


@inlined
def exp(x: np.float32) -> np.float32:
    """Return e^x within 2 units of the last place (the polynomial of Cephes' expf); x is held in -87..88."""
    x = min(max(x, LOWEST), HIGHEST)
    n = np.floor(x * LOG2_E + HALF)
    r = x - n * LN2_HIGH - n * LN2_LOW
    y = ((((E0 * r + E1) * r + E2) * r + E3) * r + E4) * r + E5
    y = y * r * r + r + ONE
    power: np.float32 = np.int32((np.int32(n) + EXPONENT_BIAS) << np.int32(23)).view(np.float32)
    return np.float32(y * power)


@inlined
def log(x: np.float32) -> np.float32:
    """Return log x of a positive normal number (the polynomial of Cephes' logf)."""
    bits = np.float32(x).view(np.int32)
    m = np.int32((bits & MANTISSA) | HALF_BITS).view(np.float32)
    e = np.float32((bits >> np.int32(23)) - np.int32(126))
    small = m < ROOT_HALF
    e = e - ONE if small else e
    m = m + m - ONE if small else m - ONE
    z = m * m
    y = (((((((L0 * m + L1) * m + L2) * m + L3) * m + L4) * m + L5) * m + L6) * m + L7) * m + L8
    return m + (y * m * z - HALF * z) + e * LN2


@inlined
def tanh(x: np.float32) -> np.float32:
    """Return tanh x, within 2^-22."""
    return ONE - TWO / (exp(TWO * x) + ONE)
