"""PSNR in YCbCr: of Y alone, and of all three planes with the weights 6:1:1."""

import math
from importlib.metadata import version

import numpy as np

from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.shapes import same_shape
from isorate.metrics.ycbcr import ycbcr


def plane_psnr(reference: Image, decoded: Image) -> list[float]:
    """Return the PSNR of Y, Cb and Cr in dB; ``inf`` for a plane without any error."""
    same_shape(reference, decoded)
    errors = ((ycbcr(reference) - ycbcr(decoded)) ** 2).mean(axis=(0, 1))
    return [10 * math.log10(255**2 / error) if error > 0 else math.inf for error in errors]


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
    """The mean of the three planes' PSNR with the weights 6:1:1, as JVET's tables have it."""

    name, label = "psnr_611", "PSNR (6:1:1)"

    def measure(self, reference: Image, decoded: Image) -> float:
        """Return dB."""
        return float(np.average(plane_psnr(reference, decoded), weights=(6, 1, 1)))
