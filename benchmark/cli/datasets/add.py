"""``isorate datasets add``."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter


def add(
    what: Path,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    licence: str | None = None,
    citation: str | None = None,
    source: str | None = None,
    class_by_folder: Annotated[bool, Parameter(negative="")] = False,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make a data set known by a name, for `--data NAME`, or write its manifest.

    Checksums are computed of all files that have none. What is kept is a manifest; the pictures stay where they are.

    Examples
    --------
    ```
    isorate datasets add photos --name holiday --licence "CC BY 4.0" --class-by-folder
    isorate datasets add photos --out photos/photos.toml
    isorate datasets add birds.toml --overwrite
    ```

    Parameters
    ----------
    what
        A folder of images, with the folders in it; a manifest (`.toml`, `.csv`); a list of paths (`.txt`); a `.tar`.
    name
        What `--data` will call it; by default what the manifest or the folder is called.
    title
        For the report.
    licence
        Its terms, for the report.
    citation
        What to cite.
    source
        Where it comes from.
    class_by_folder
        The class of an image is the name of the folder it lies in. Results are then given by class, too.
    out
        Write the manifest to this `.toml`, and its files to a `.csv` beside it, in place of keeping it for this user.
    overwrite
        Replace what was added under this name, or the file.
    """
    from dataclasses import replace

    from isorate.datasets.added import add as keep
    from isorate.datasets.added import check_free, check_name
    from isorate.datasets.writing import manifest_of, with_checksums, write_manifest
    from isorate.errors import UsageError

    if out is not None and out.suffix.lower() != ".toml":
        raise UsageError(f"--out {out}: a file that ends in .toml is needed")
    if out is not None and not overwrite and (there := [f for f in (out, out.with_suffix(".csv")) if f.exists()]):
        raise UsageError(f"--out {there[0]}: is there already; give another file, or --overwrite")
    given: dict[str, Any] = {
        "name": name, "title": title, "licence": licence, "citation": citation, "source": source,
        "class_by_folder": class_by_folder or None,
    }  # fmt: skip
    found = manifest_of(what)
    found = replace(found, **{key: value for key, value in given.items() if value is not None})
    if out is None:
        check_free(found.name, overwrite=overwrite)  # before every file is read
        kept, data = keep(with_checksums(found), overwrite=overwrite), found.name
    else:
        check_name(found.name)
        write_manifest(with_checksums(found), out)
        kept, data = out, str(out)
    print(f"{kept}: {len(found.files)} files; use it as --data {data}")
