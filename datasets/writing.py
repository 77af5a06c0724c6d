"""Writing manifests: a head as TOML and the list of files as CSV beside it."""

import csv
import io
import json
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

from isorate.datasets.folder import check_readable
from isorate.datasets.hashing import checksums
from isorate.datasets.manifest import DatasetManifest, ManifestFile, plain_text
from isorate.datasets.names import is_image_name
from isorate.datasets.reading import TEXTS, read_manifest
from isorate.errors import DatasetError
from isorate.files.atomic import write_bytes


def manifest_of(path: Path) -> DatasetManifest:
    """Return the manifest of a folder of pictures and of the folders in it, or what a file describes.

    Raises
    ------
    DatasetError
        When there is no picture, or the file cannot be used; see :func:`isorate.datasets.reading.read_manifest`.
    """
    if not path.exists():
        raise DatasetError(f"{path}: no such file or folder; give a folder of images, or a file that describes them")
    return _of_folder(path) if path.is_dir() else read_manifest(path)


def with_checksums(manifest: DatasetManifest) -> DatasetManifest:
    """Return a manifest in which every file has its SHA-256: a given one stays, others are computed.

    Raises
    ------
    DatasetError
        When a file without one is not there.
    """
    unknown = [file for file in manifest.files if not file.sha256]
    paths = [manifest.folder / file.path for file in unknown]
    known = checksums(paths, f"reading {manifest.name}") if unknown else []
    by_path = dict(zip((file.path for file in unknown), known, strict=True))
    files = tuple(replace(file, sha256=file.sha256 or by_path[file.path]) for file in manifest.files)
    return replace(manifest, files=files)


def _of_folder(path: Path) -> DatasetManifest:
    def refuse(error: OSError) -> None:
        raise DatasetError(f"{error.filename}: cannot be read: {error.strerror}; make it readable, or move it away")

    files = []
    for folder, inner, names in os.walk(path, onerror=refuse):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in inner:
            if (link := Path(folder) / name).is_symlink():
                raise DatasetError(f"{link}: is a link to a folder, which is not followed; put the folder there itself")
        relative = PurePosixPath(Path(folder).relative_to(path).as_posix())
        for name in sorted(filter(is_image_name, names)):
            check_readable(Path(folder) / name)
            try:
                files.append(ManifestFile.of({"path": str(relative / name)}))
            except ValueError as error:
                raise DatasetError(f"{Path(folder) / name}: {error}; rename the file") from None
    if not files:
        raise DatasetError(f"{path}: no image files there, nor in its folders")
    return DatasetManifest(path.resolve().name, path, tuple(files))


def write_manifest(manifest: DatasetManifest, path: Path) -> None:
    """Write `manifest` as the TOML file `path`, and its files as a CSV beside it.

    The folder of the files is written relative to the manifest's where it lies in that, else as it is.

    Raises
    ------
    DatasetError
        When a text cannot be written.
    RunError
        When a file cannot be written.
    """
    listed = path.with_suffix(".csv")
    here, folder = path.absolute().parent, Path(os.path.abspath(manifest.folder))  # noqa: PTH100  (links stay)
    inside = folder.relative_to(here).as_posix() if folder.is_relative_to(here) else str(folder)
    head = {
        "name": manifest.name, **{key: getattr(manifest, key) for key in TEXTS},
        "folder": "" if inside == "." else inside,
    }  # fmt: skip
    lines = []
    for key, text in head.items():
        try:
            plain = plain_text(key, text)
        except ValueError as error:
            raise DatasetError(f"{path}: {error}") from None
        if plain:
            lines.append(f"{key} = {_quoted(plain)}")
    if manifest.mirrors:
        lines.append(f"mirrors = [{', '.join(map(_quoted, manifest.mirrors))}]")
    if manifest.class_by_folder:
        lines.append("class_by_folder = true")
    lines.append(f"list = {_quoted(listed.name)}")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "sha256", "class", "url"])
    writer.writerows((file.path, file.sha256, file.image_class, file.url) for file in manifest.files)
    write_bytes(listed, out.getvalue().encode())  # first: a head without its list would be an error
    write_bytes(path, ("\n".join(lines) + "\n").encode())


def _quoted(text: str) -> str:
    """Return a text without control characters as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)
