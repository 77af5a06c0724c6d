"""What the measurements share. `make bench` runs them: the file names keep them out of `make test`."""

import resource
import sys
from typing import Any

import numpy as np
import pytest
import torch

from isorate.image import Image


@pytest.fixture(scope="session")
def picture() -> Image:
    """768×512 pixels, as Kodak's photographs have, of scikit-image's astronaut beside its coffee."""
    from skimage import data

    coffee = data.coffee()[:, :256]
    filled = np.concatenate([coffee, coffee[::-1]])[:512]
    return np.ascontiguousarray(np.concatenate([data.astronaut(), filled], axis=1))


def pytest_benchmark_update_json(output_json: dict[str, Any]) -> None:
    """Keep beside the seconds what they were taken with, and the largest resident size of the process."""
    output_json["threads"] = torch.get_num_threads()
    in_bytes = sys.platform == "darwin"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    output_json["peak_memory_mb"] = round(peak / (1024**2 if in_bytes else 1024))
