"""Tars of pictures: where each picture lies in one, so that it is read from there and nothing is unpacked."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from isorate.datasets.images import Part
from isorate.datasets.manifest import shown
from isorate.datasets.names import is_image_name
from isorate.errors import DatasetError
from isorate.files.plain import LARGEST_PICTURE

LARGEST_HEADER = 2**20
"""Bytes of a member's further headers, as those of long names."""


def pictures_in(path: Path) -> list[Part]:
    """Return the pictures of a tar, in its order; other files and hidden ones are none.

    Raises
    ------
    DatasetError
        When it cannot be read, is compressed, damaged or truncated, has no picture, or has anything that no tar of
        pictures needs: links, devices, sparse files, absolute paths, ``..``, a name twice.
    """
    try:
        with path.open("rb") as file:
            found = [part for part in _members(path, file) if is_image_name(PurePosixPath(part.name).name)]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not found:
        raise DatasetError(f"{path}: has no pictures")
    names: set[str] = set()
    for part in found:
        if part.name in names:
            raise DatasetError(f"{path}: has {shown(part.name)} twice; make the tar anew")
        names.add(part.name)
    return found


def _members(path: Path, file: BinaryIO) -> Iterator[Part]:
    try:
        with tarfile.open(fileobj=_Bounded(file), mode="r:", encoding="utf-8") as tar:  # type: ignore[call-overload]
            end = 0
            while (member := tar.next()) is not None:
                tar.members.clear()  # which would hold every member until the end
                if member.size < 0 or tar.offset <= end:  # a walk that could come back
                    raise tarfile.TarError("sizes that lead backwards")
                end = tar.offset
                _check(path, member)
                if member.isreg():
                    yield Part(member.name, member.offset_data, member.size)
            # tarfile takes a damaged header behind the first member for the end, and reads one tar of several
            file.seek(tar.offset)
            if any(file.read(LARGEST_HEADER)):
                raise tarfile.TarError(f"no header at byte {tar.offset}, and not its end")
    except (tarfile.TarError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise DatasetError(
            f"{path}: is no whole, uncompressed tar: {error}; make it anew: tar -cf {path.name} FOLDER"
        ) from None


def _check(path: Path, member: tarfile.TarInfo) -> None:
    """Raise unless a member is a plain file or a folder, inside the tar's own tree.

    Raises
    ------
    DatasetError
        When it is something else.
    """
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or "\0" in member.name or "\\" in member.name:
        raise DatasetError(f"{path}: has {shown(member.name)}, which leads out of it; make the tar anew")
    if member.issparse() or not (member.isreg() or member.isdir()):
        raise DatasetError(f"{path}: has {shown(member.name)}, no plain file; make the tar anew, without links")
    if member.size > LARGEST_PICTURE and is_image_name(name.name):
        raise DatasetError(f"{path}: {shown(member.name)} has {member.size} bytes; {LARGEST_PICTURE} is the most")


class _Bounded:
    """A file of which nobody reads much at once: tarfile reads as much as a header says, which may be anything."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int) -> bytes:
        if not 0 <= size <= LARGEST_HEADER:
            raise tarfile.TarError(f"a header of {size} bytes")
        return self._file.read(size)
