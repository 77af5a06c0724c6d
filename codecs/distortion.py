"""D of the objective D + λR: the mean squared error, 1 - MS-SSIM, or a mixture of both."""

from typing import TypeVar

from torch import Tensor

T = TypeVar("T", float, Tensor)
MS_SSIM_SCALE = 0.02
"""1 - MS-SSIM times this is worth about as many bits as the mean squared error of pixels in [0, 1], so that λ spans the
same rates: with the weights trained for the squared error the loss of a batch is the same within 5 %."""


def squared_error(picture: Tensor, x: Tensor) -> Tensor:
    """Return the mean squared error of each picture (N, 3, height, width), pixels in [0, 1]: (N,), float32."""
    return (picture.float() - x.float()).square().flatten(1).mean(1)


def mixed(squared: T, dissimilarity: T, ms_ssim_share: float) -> T:
    """Return D of a squared error and of 1 - MS-SSIM, the latter with this share."""
    return (1 - ms_ssim_share) * squared + ms_ssim_share * MS_SSIM_SCALE * dissimilarity


def distortion(picture: Tensor, x: Tensor, ms_ssim_share: float) -> Tensor:
    """Return D of each picture.

    Parameters
    ----------
    picture, x
        Decoded pictures and originals, (N, 3, height, width), pixels in [0, 1]; with a share of MS-SSIM at least
        :data:`~isorate.metrics.ms_ssim.MS_SSIM_MIN_SIDE` a side.
    ms_ssim_share
        0: the mean squared error; 1: ``MS_SSIM_SCALE * (1 - MS-SSIM)``; between, a mixture.

    Returns
    -------
    (N,), float32.
    """
    if not ms_ssim_share:
        return squared_error(picture, x)
    from pytorch_msssim import ms_ssim

    similarity: Tensor = ms_ssim(picture.float(), x.float(), data_range=1.0, size_average=False)
    if ms_ssim_share == 1:
        return MS_SSIM_SCALE * (1 - similarity)
    return mixed(squared_error(picture, x), 1 - similarity, ms_ssim_share)
