"""What a fit's pictures are held against."""

from dataclasses import dataclass

from torch import Tensor

from isorate.codecs.distortion import distortion
from isorate.metrics.ms_ssim import MS_SSIM_MIN_SIDE


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The picture that is fitted, and what D is made of.

    Attributes
    ----------
    image
        (3, H, W), float32, 0..1.
    ms_ssim_share
        Of 1 - MS-SSIM in D, as :func:`~isorate.codecs.distortion.distortion` mixes it with the squared
        error; 0 for pictures that MS-SSIM is not defined for.
    """

    image: Tensor
    ms_ssim_share: float = 0.0

    @classmethod
    def of(cls, image: Tensor, ms_ssim_share: float) -> "Target":
        """Return the target of a picture of any size."""
        return cls(image, ms_ssim_share if min(image.shape[1:]) >= MS_SSIM_MIN_SIDE else 0.0)

    def distortion(self, picture: Tensor) -> Tensor:
        """Return D of a picture (3, H, W) by PyTorch, a scalar."""
        return distortion(picture[None], self.image[None], self.ms_ssim_share)[0]
