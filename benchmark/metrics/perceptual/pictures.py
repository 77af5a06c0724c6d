"""Pictures as the networks take them."""

from typing import TYPE_CHECKING

import numpy as np

from isorate.image import Image

if TYPE_CHECKING:
    from torch import Tensor


def planes(image: Image) -> "Tensor":
    """Return shape ``(1, 3, height, width)``, float32, 0 to 1, of shape ``(height, width, 3)``, uint8."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / 255)[None]
