"""What a data set is: a title, where it comes from, and its images in order."""

from dataclasses import dataclass, replace
from pathlib import Path

from isorate.datasets.images import LoadedImage, Part, load_image
from isorate.errors import DatasetError, ImageError
from isorate.pictures.names import printable


@dataclass(frozen=True, slots=True)
class Source:
    """One image of a data set, not yet read.

    Attributes
    ----------
    name
        Unique in its data set.
    path
        The file, or the tar that it lies in.
    file
        What the file is called there; by default the path's last part.
    part
        Where in the tar it lies; None for a file of its own.
    sha256
        SHA-256 that the file must have; empty where its data set does not say.
    image_class
        The class that the data set puts it into; empty for none.
    """

    name: str
    path: Path
    file: str = ""
    part: Part | None = None
    sha256: str = ""
    image_class: str = ""

    @property
    def file_name(self) -> str:
        """What the file is called in its data set."""
        return self.file or self.path.name

    def load(self) -> LoadedImage:
        """Read and decode the file.

        Raises
        ------
        ImageError
            When it is no image that can be compared.
        DatasetError
            When it is not the file that its data set describes.
        """
        loaded = load_image(self.path, self.part)
        if self.sha256 and loaded.file_sha256 != self.sha256:
            raise DatasetError(not_the_file(self.path, self.file_name, loaded.file_sha256, self.sha256))
        return loaded


def not_the_file(path: Path, name: str, found: str, expected: str) -> str:
    """Return what is said of a file that has another checksum than its manifest demands."""
    return (
        f"{path}: not the {name} of the manifest (SHA-256 {found[:12]}…, expected {expected[:12]}…); replace the file, "
        "delete it where isorate downloaded it, or mend the manifest's sha256 if this one is meant"
    )


@dataclass(frozen=True, slots=True)
class Dataset:
    """A list of images.

    Attributes
    ----------
    name
        ``kodak``, ``samples``, the name it was added under, or the folder's or file's name.
    title, licence, citation, source
        For the report: what it is called, its terms, what to cite, and where it comes from; empty when nobody said.
    sources
        The images, in order; at least one.
    """

    name: str
    sources: tuple[Source, ...]
    title: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""

    def only(self, names: list[str]) -> "Dataset":
        """Return the data set with the named images only, in the data set's order.

        Raises
        ------
        ImageError
            When a name is not in the data set.
        """
        known = {source.name for source in self.sources}
        if missing := [name for name in names if name not in known]:
            lacks, has = (", ".join(map(printable, some)) for some in (missing, sorted(known)))
            raise ImageError(f"{self.name} has no image {lacks}; it has {has}")
        wanted = set(names)
        return replace(self, sources=tuple(source for source in self.sources if source.name in wanted))
