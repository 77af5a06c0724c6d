"""SSIMULACRA 2: how visible compression is."""

import io
from importlib.metadata import version

import numpy as np
from PIL import Image as PillowImage

from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.extra import import_extra
from isorate.metrics.shapes import same_shape

MIN_SIDE = 8


class Ssimulacra2(Metric):
    """SSIMULACRA 2 (Sneyers 2022): 100 for identical pictures, 90 what the eye cannot tell, below 0 for bad ones."""

    name, label, digits = "ssimulacra2", "SSIMULACRA 2", 2
    tolerance = 0.1
    measured_on = "XYB of sRGB, six scales"

    @property
    def implementation(self) -> str:
        """Version of the Python port."""
        import_extra("ssimulacra2", self.name)
        return f"ssimulacra2 {version('ssimulacra2')}"

    def measure(self, reference: Image, decoded: Image) -> float | None:
        """Return at most 100, or None below 8 pixels a side."""
        same_shape(reference, decoded)
        if min(reference.shape[:2]) < MIN_SIDE:
            return None
        return float(import_extra("ssimulacra2", self.name).compute_ssimulacra2(_file(reference), _file(decoded)))


def _file(image: Image) -> io.BytesIO:
    """Return the picture as a file, which is what the package takes."""
    file = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(image)).save(file, "PPM")
    file.seek(0)
    return file
