"""What a data set is: a title, where it comes from, and its images in order."""

from dataclasses import dataclass
from pathlib import Path

from isorate.datasets.images import LoadedImage, load_image
from isorate.errors import ImageError


@dataclass(frozen=True, slots=True)
class Source:
    """One image of a data set, not yet read.

    Attributes
    ----------
    name
        Unique in its data set.
    path
        The file.
    """

    name: str
    path: Path

    def load(self) -> LoadedImage:
        """Read and decode the file.

        Raises
        ------
        ImageError
            When it is no image that can be compared.
        """
        return load_image(self.path)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A list of images.

    Attributes
    ----------
    name
        ``kodak``, ``samples`` or the folder's name.
    title, licence, citation
        For the report; empty when nobody said.
    sources
        The images, in order; at least one.
    """

    name: str
    sources: tuple[Source, ...]
    title: str = ""
    licence: str = ""
    citation: str = ""

    def only(self, names: list[str]) -> "Dataset":
        """Return the data set with the named images only, in the data set's order.

        Raises
        ------
        ImageError
            When a name is not in the data set.
        """
        known = {source.name for source in self.sources}
        if missing := [name for name in names if name not in known]:
            raise ImageError(f"{self.name} has no image {', '.join(missing)}; it has {', '.join(sorted(known))}")
        kept = tuple(source for source in self.sources if source.name in names)
        return Dataset(self.name, kept, self.title, self.licence, self.citation)
