"""What the nets' parameters are differences to, by the number that a stream gives it.

0 is plain: bicubic upsampling, zero for the rest. Others are nets fitted to photographs, which come with the package
(``tools/starting_weights.py``); the context model's are multiples of 2^-10. Fits use :data:`NEWEST`.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from isorate.codecs.overfitted.model.structure import BICUBIC, FORMER_HIDDEN, HIDDEN, parameters

Params = dict[str, NDArray[np.float64]]
PLAIN, NEWEST = 0, 3
FOLDER = Path(__file__).parent / "starts"
NUMBERS = {1: (PLAIN, 1, 2), 2: (PLAIN, 1, 2), 3: (PLAIN, NEWEST)}
"""The starts that files know, by version of the format."""


def hidden(version: int) -> int:
    """Return the width of the synthesis in files of a version."""
    return FORMER_HIDDEN if version < 3 else HIDDEN


@cache
def start(number: int, version: int) -> Params:
    """Return the parameters of start `number`, one of those of the `version` in :data:`NUMBERS`, by name."""
    shapes = parameters(hidden(version))
    if number != PLAIN:
        stored = load_file(FOLDER / f"{number}.safetensors")
        return {name: stored[name].astype(np.float64) for name in shapes}
    found = {name: np.zeros(shape) for name, shape in shapes.items()}
    for name in found:
        if name.startswith("upsampling"):
            found[name] = np.array(BICUBIC, np.float64)
    return found
