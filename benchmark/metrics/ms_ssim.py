"""MS-SSIM, between 8-bit RGB images, the second one decoded from the file."""

import numpy as np

from isorate.image import Image
from isorate.metrics.shapes import same_shape
from isorate.metrics.torch_defaults import torch_defaults

MS_SSIM_MIN_SIDE = 161
"""Five scales, an 11-pixel window: a side of 160 pixels or less leaves the coarsest scale smaller than the window."""


def ms_ssim(reference: Image, decoded: Image) -> float | None:
    """Return the multi-scale structural similarity (Wang, Simoncelli & Bovik 2003) of RGB images, data range 255.

    Computed by pytorch-msssim in single precision. The channel is innermost in memory: PyTorch's convolutions take a
    quarter of the time then.

    Parameters
    ----------
    reference, decoded
        Shape ``(height, width, 3)``, dtype uint8.

    Returns
    -------
    0..1, or None where it is not defined: a side of 160 pixels or less.

    Raises
    ------
    ImageError
        When the shapes differ.
    """
    same_shape(reference, decoded)
    if min(reference.shape[:2]) < MS_SSIM_MIN_SIDE:
        return None
    import torch
    from pytorch_msssim import ms_ssim as pytorch_ms_ssim

    def batch(image: Image) -> torch.Tensor:
        return torch.from_numpy(image.astype(np.float32, order="C"))[None].permute(0, 3, 1, 2)

    with torch_defaults(), torch.inference_mode():
        return float(pytorch_ms_ssim(batch(reference), batch(decoded), data_range=255))
