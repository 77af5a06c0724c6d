"""What a fit aims at: a λ, or a size to which λ is led."""

import math
from dataclasses import dataclass

from isorate.codecs.overfitted.fitting.first_lmbda import first_lmbda
from isorate.image import Image

LOWEST_LMBDA, HIGHEST_LMBDA = 1e-5, 1.0
LOWEST_START, HIGHEST_START = 5e-5, 0.03
FIXED_BITS = 8 * 26 + 8
"""Header, checksum and half of the coder's last word."""
LEAST_LEFT = 0.1
"""Share of a size that is always left for latents."""


@dataclass(slots=True)
class Goal:
    """λ of D + λR, with R in bits per pixel and D of colours in 0..1: squared error, or a mixture.

    Attributes
    ----------
    lmbda
        The present value.
    num_bytes
        The size of the file that is wanted; None where λ is given and stays.
    """

    lmbda: float
    num_bytes: float | None = None

    @classmethod
    def of_size(cls, num_bytes: float, image: Image) -> "Goal":
        """Return the goal of a file of `num_bytes` for a picture, (height, width, 3) uint8."""
        lmbda = first_lmbda(image, 8 * num_bytes / (image.shape[0] * image.shape[1]))
        return cls(min(max(lmbda, LOWEST_START), HIGHEST_START), num_bytes)

    def gap(self, payload_bits: float) -> float:
        """Return log(size / wanted size); 0 where no size is wanted."""
        if self.num_bytes is None:
            return 0.0
        return math.log((payload_bits + FIXED_BITS) / (8 * self.num_bytes))

    def latents_gap(self, latents_bits: float, nets_bits: float) -> float:
        """Return log(latents' bits / what the wanted size leaves for them beside the nets); 0 where none is wanted."""
        if self.num_bytes is None:
            return 0.0
        return math.log(max(latents_bits, 1.0) / self.left_for_latents(nets_bits))

    def left_for_latents(self, nets_bits: float) -> float:
        """Return the bits that the wanted size leaves for latents beside the nets; infinite where none is wanted."""
        if self.num_bytes is None:
            return math.inf
        return max(8 * self.num_bytes - FIXED_BITS - nets_bits, LEAST_LEFT * 8 * self.num_bytes)

    def file_gap(self, file: bytes) -> float:
        """Return log(size / wanted size) of a file; 0 where no size is wanted."""
        return 0.0 if self.num_bytes is None else math.log(len(file) / self.num_bytes)

    def move(self, log_lmbda: float) -> None:
        """Change log λ by `log_lmbda`."""
        if self.num_bytes is not None:
            self.lmbda = min(max(self.lmbda * math.exp(log_lmbda), LOWEST_LMBDA), HIGHEST_LMBDA)
