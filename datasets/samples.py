"""The photographs inside scikit-image's wheel: real images on every machine that has isorate."""

from importlib.util import find_spec
from pathlib import Path

from isorate.datasets.base import Dataset
from isorate.datasets.kodak import checked
from isorate.datasets.manifest import load_manifest
from isorate.errors import DatasetError


def samples() -> Dataset:
    """Return the sample photographs.

    Raises
    ------
    DatasetError
        When scikit-image is missing or ships other pictures.
    """
    found = find_spec("skimage")
    if found is None or found.origin is None:
        raise DatasetError("the sample photographs come with scikit-image: pip install scikit-image")
    return checked(load_manifest("samples"), Path(found.origin).parent / "data")
