"""SSIM on luma."""

from importlib.metadata import version

from isorate.image import Image
from isorate.metrics.base import Metric
from isorate.metrics.shapes import same_shape
from isorate.metrics.ycbcr import ycbcr

MIN_SIDE = 11


class Ssim(Metric):
    """Structural similarity (Wang, Bovik, Sheikh & Simoncelli 2004): Gaussian window of 11 pixels, σ = 1.5."""

    name, label, digits = "ssim", "SSIM", 4
    scale = "similarity"
    tolerance = 0.0002
    measured_on = "Y by BT.601 in full range, not rounded; windows inside the picture; no downscaling before"

    @property
    def implementation(self) -> str:
        """Version of scikit-image."""
        return f"scikit-image {version('scikit-image')}"

    def measure(self, reference: Image, decoded: Image) -> float | None:
        """Return 1 for identical pictures, or None below 11 pixels a side."""
        same_shape(reference, decoded)
        if min(reference.shape[:2]) < MIN_SIDE:
            return None
        from skimage.metrics import structural_similarity

        first, second = (ycbcr(image)[..., 0] for image in (reference, decoded))
        return float(
            structural_similarity(
                first, second, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
            )
        )
