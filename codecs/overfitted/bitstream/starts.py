"""What the nets' parameters are differences to, by the number that a stream gives it.

0 is plain: bicubic upsampling, zero for the rest. Others are nets fitted to many photographs together, which come with
the package (``tools/starting_weights.py``); the context model's are multiples of 2^-10. 3 is 2 with parameters that
stay as they are: no stream has their levels. Fits use 3.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from isorate.codecs.overfitted.model.structure import BICUBIC, parameters

Params = dict[str, NDArray[np.float64]]
PLAIN = 0
FOLDER = Path(__file__).parent / "starts"
NUMBERS = (PLAIN, 1, 2, 3)
STORED = {1: 1, 2: 2, 3: 2}
"""The file of each start that has one."""
KEPT = {3: frozenset({"arm.hidden1.weight", "arm.hidden1.bias"})}
"""Parameters that stay what a start has, where there are some."""


@cache
def start(number: int) -> Params:
    """Return the parameters of start `number`, one of :data:`NUMBERS`, by name."""
    if number != PLAIN:
        stored = load_file(FOLDER / f"{STORED[number]}.safetensors")
        return {name: stored[name].astype(np.float64) for name in parameters()}
    found = {name: np.zeros(shape) for name, shape in parameters().items()}
    for name in found:
        if name.startswith("upsampling"):
            found[name] = np.array(BICUBIC, np.float64)
    return found
