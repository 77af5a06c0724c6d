"""FLIP: the difference that is seen when two pictures alternate."""

from importlib.metadata import version

import numpy as np

from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.extra import import_extra
from isorate.metrics.shapes import same_shape


class Flip(Metric):
    """LDR-FLIP (Andersson et al. 2020), the mean of its map; the authors' own program."""

    name, label, digits = "flip", "FLIP", 4
    larger_is_better = False
    scale = "error"
    tolerance = 0.0005
    measured_on = "sRGB; 67 pixels a degree, the default: a 0.7 m wide 4K screen from 0.7 m away"

    @property
    def implementation(self) -> str:
        """Version of flip-evaluator."""
        import_extra("flip_evaluator", self.name)
        return f"flip-evaluator {version('flip-evaluator')}"

    def measure(self, reference: Image, decoded: Image) -> float:
        """Return 0 for identical pictures, at most 1."""
        same_shape(reference, decoded)
        first, second = (np.ascontiguousarray(image, np.float32) / 255 for image in (reference, decoded))
        _, mean, _ = import_extra("flip_evaluator", self.name).evaluate(first, second, "LDR", applyMagma=False)
        return float(mean)
