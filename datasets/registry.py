"""From what ``--data`` says to a data set."""

from pathlib import Path

from isorate.datasets.base import Dataset
from isorate.datasets.folder import folder
from isorate.datasets.kodak import kodak
from isorate.datasets.samples import samples

NAMES = ("kodak", "samples")


def open_dataset(data: str, cache: Path | None) -> Dataset:
    """Return the data set `data`: ``kodak``, ``samples`` or a folder's path (``./kodak`` for a folder of that name).

    Raises
    ------
    DatasetError
        When it is not there, incomplete, or not what its manifest describes.
    """
    if data == "kodak":
        return kodak(cache)
    if data == "samples":
        return samples()
    return folder(Path(data))
