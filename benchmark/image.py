"""The image type, below codecs, data sets and everything else."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""An image: shape ``(height, width, 3)``, dtype uint8, sRGB, 0..255."""
