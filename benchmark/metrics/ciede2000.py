"""ΔE2000: how far colours are apart for the eye, pixel by pixel."""

from importlib.metadata import version

from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.shapes import same_shape


class Ciede2000(Metric):
    """The mean of CIEDE2000 colour differences over all pixels (CIE 142-2001)."""

    name, label, digits = "ciede2000", "ΔE2000", 3
    larger_is_better = False
    scale = "error"
    tolerance = 0.005
    measured_on = "CIELAB of sRGB, white D65 of the 2° observer; kL = kC = kH = 1"

    @property
    def implementation(self) -> str:
        """Version of scikit-image."""
        return f"scikit-image {version('scikit-image')}"

    def measure(self, reference: Image, decoded: Image) -> float:
        """Return 0 for identical pictures."""
        same_shape(reference, decoded)
        from skimage.color import deltaE_ciede2000, rgb2lab

        return float(deltaE_ciede2000(rgb2lab(reference), rgb2lab(decoded)).mean())
