"""PSNR in YCbCr: of Y alone, and of all three planes with the weights 6:1:1."""

import math
from importlib.metadata import version

import numpy as np

from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.shapes import same_shape
from isorate.metrics.ycbcr import ycbcr

ROUNDING = 1e-20
"""A mean squared error below it is floating point's, some 1e-26 a sample, and none of the picture's.

A sample's smallest errors are 0.001 of Y, 0.00056 of Cb and 0.0007 of Cr; a single one in 2^28 samples is above 1e-15.
"""


def plane_psnr(reference: Image, decoded: Image) -> list[float]:
    """Return the PSNR of Y, Cb and Cr in dB; ``inf`` for a plane without any error."""
    same_shape(reference, decoded)
    errors = ((ycbcr(reference) - ycbcr(decoded)) ** 2).mean(axis=(0, 1))
    return [10 * math.log10(255**2 / error) if error > ROUNDING else math.inf for error in errors]


class _OfPlanes(Metric):
    unit, digits = "dB", 2
    tolerance = 0.02
    measured_on = "4:4:4 YCbCr by BT.601 in full range, not rounded; peak 255"

    @property
    def implementation(self) -> str:
        """NumPy's version."""
        return f"isorate, NumPy {version('numpy')}"


class PsnrY(_OfPlanes):
    """PSNR of luma."""

    name, label = "psnr_y", "PSNR (Y)"

    def measure(self, reference: Image, decoded: Image) -> float:
        """Return dB."""
        return plane_psnr(reference, decoded)[0]


class Psnr611(_OfPlanes):
    """The mean of the three planes' PSNR with the weights 6:1:1 (Ohm et al. 2012), as JVET's tables have it."""

    name, label = "psnr_611", "PSNR (6:1:1)"

    def measure(self, reference: Image, decoded: Image) -> float | None:
        """Return dB, ``inf`` for identical pictures, or None where the mean of three planes says nothing of them.

        Of a grey original there is none: chroma has no error, or the little that a conversion of colours leaves, and
        the mean is infinite, or 10 dB above Y's. Nor where one plane has no error and another has some; the reference
        programs HM and VTM put 999.99 dB in its place, which is no measurement.
        """
        planes = plane_psnr(reference, decoded)
        exact = planes.count(math.inf)
        if (reference == reference[..., :1]).all() or 0 < exact < len(planes):
            return None
        return float(np.average(planes, weights=(6, 1, 1)))
