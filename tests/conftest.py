"""Real photographs for every test: scikit-image's, and Kodak's where they are."""

import os
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

# Threads that wait for each other spin: with a test process on every core, one thread in each is faster.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Keep the tests away from the user's cache, in this process and in every one it starts."""
    before = os.environ.get("ISORATE_CACHE_DIR")
    os.environ["ISORATE_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["ISORATE_CACHE_DIR"]
    else:
        os.environ["ISORATE_CACHE_DIR"] = before


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    from skimage import data

    return data.astronaut()


@pytest.fixture(scope="session")
def photo(astronaut) -> NDArray[np.uint8]:
    """A real photograph just large enough for MS-SSIM, of odd size."""
    return np.ascontiguousarray(astronaut[20:195, 130:321])


@pytest.fixture(scope="session")
def coffee() -> NDArray[np.uint8]:
    from skimage import data

    return data.coffee()


@pytest.fixture
def kodak_dir() -> Path:
    folder = os.environ.get("ISORATE_KODAK_DIR")
    if not folder:
        pytest.skip("Kodak's PNGs are not at hand; name their folder in ISORATE_KODAK_DIR")
    return Path(folder)


@pytest.fixture
def in_process() -> Executor:
    """An executor without processes: what a test patches is patched in the cells, too."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def two_photos(tmp_path, astronaut, coffee) -> Path:
    """A folder with two small real photographs."""
    folder = tmp_path / "photos"
    folder.mkdir()
    PillowImage.fromarray(astronaut[20:195, 130:321]).save(folder / "astronaut.png")
    PillowImage.fromarray(coffee[100:270, 150:350]).save(folder / "coffee.png")
    return folder
