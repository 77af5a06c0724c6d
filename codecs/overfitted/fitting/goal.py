"""What a fit aims at: a λ, or a size to which λ is led."""

import math
from dataclasses import dataclass

LOWEST_LMBDA, HIGHEST_LMBDA = 1e-5, 1.0
LOWEST_START, HIGHEST_START = 1e-4, 0.03
ORDINARY_LMBDA, ORDINARY_BPP, ORDINARY_SLOPE = 0.003, 0.2, 1.5
FIXED_BITS = 8 * 26 + 8
"""Header, checksum and half of the coder's last word."""


@dataclass(slots=True)
class Goal:
    """λ of D + λR, with R in bits per pixel and D the mean squared error of colours in 0..1.

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
    def of_size(cls, num_bytes: float, num_pixels: int) -> "Goal":
        """Return the goal of a file of `num_bytes` for a picture of `num_pixels`: an ordinary photograph's λ."""
        bpp = 8 * num_bytes / num_pixels
        lmbda = ORDINARY_LMBDA * (ORDINARY_BPP / bpp) ** ORDINARY_SLOPE
        return cls(min(max(lmbda, LOWEST_START), HIGHEST_START), num_bytes)

    def gap(self, payload_bits: float) -> float:
        """Return log(size / wanted size); 0 where no size is wanted."""
        if self.num_bytes is None:
            return 0.0
        return math.log((payload_bits + FIXED_BITS) / (8 * self.num_bytes))

    def file_gap(self, file: bytes) -> float:
        """Return log(size / wanted size) of a file; 0 where no size is wanted."""
        return 0.0 if self.num_bytes is None else math.log(len(file) / self.num_bytes)

    def move(self, log_lmbda: float) -> None:
        """Change log λ by `log_lmbda`."""
        if self.num_bytes is not None:
            self.lmbda = min(max(self.lmbda * math.exp(log_lmbda), LOWEST_LMBDA), HIGHEST_LMBDA)
