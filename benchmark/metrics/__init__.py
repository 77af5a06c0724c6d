"""One file a metric: pure functions of an image and what was decoded in its place."""

from isorate.metrics.bpp import bpp
from isorate.metrics.ms_ssim import ms_ssim
from isorate.metrics.psnr import psnr

__all__ = ["bpp", "ms_ssim", "psnr"]
