"""``isorate datasets``."""

import json as json_module
from dataclasses import dataclass


def listing(*, json: bool = False) -> None:
    """List the data sets known by name: where they are, how many files, licence and citation.

    Examples
    --------
    ```
    isorate datasets
    ISORATE_KODAK_DIR=/data/kodak isorate datasets --json
    ```

    Parameters
    ----------
    json
        Print JSON for scripts.
    """
    from isorate.datasets.registry import names

    found = [_listed(name) for name in names()]
    if json:
        keys = "name", "title", "images", "licence", "citation", "where", "source", "classes", "added"
        print(
            json_module.dumps([{key: getattr(one, key) for key in keys} for one in found], indent=1, ensure_ascii=False)
        )
        return
    for one in found:
        about = [one.title, one.count, f"{len(one.classes)} classes" if one.classes else ""]
        print(f"{one.name}  {', '.join(filter(None, about))}")
        print(f"    {one.where}")
        for key in ("licence", "citation", "source"):
            if text := getattr(one, key):
                print(f"    {key:8}  {text}")


@dataclass(frozen=True, slots=True)
class _Listed:
    """A line of the list; `images` is None where tars hold pictures that nobody has counted."""

    name: str
    where: str
    images: int | None = None
    count: str = ""
    title: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""
    classes: tuple[str, ...] = ()
    added: bool = False


def _listed(name: str) -> _Listed:
    from isorate.datasets.added import added
    from isorate.datasets.locate import locate, locate_files
    from isorate.datasets.manifest import BUILT_IN, load_manifest
    from isorate.engine.cache import cache_dir
    from isorate.errors import DatasetError

    built_in = name in BUILT_IN
    try:
        manifest = load_manifest(name) if built_in else added(name)
    except DatasetError as error:  # one that is damaged leaves the others in the list
        return _Listed(name, f"refused   {error}", added=True)
    found = locate(name, cache_dir()) if built_in else locate_files(manifest, cache_dir())
    tars = sum(file.is_tar for file in manifest.files)
    pictures = len(manifest.files) - tars
    counts = [f"{pictures} images" if pictures or not tars else "", f"{tars} tar{'s' * (tars > 1)}" if tars else ""]
    classes = (manifest.class_of(file, file.path) for file in manifest.files if file.image_class or not file.is_tar)
    return _Listed(
        name, f"{found.state:<8}  {found.said}", None if tars else pictures, " and ".join(filter(None, counts)),
        manifest.title, manifest.licence, manifest.citation, manifest.source,
        tuple(dict.fromkeys(filter(None, classes))), not built_in,
    )  # fmt: skip
