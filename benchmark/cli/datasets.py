"""``isorate datasets``."""

import json as json_module

from isorate.datasets.locate import locate
from isorate.datasets.manifest import load_manifest
from isorate.datasets.registry import NAMES
from isorate.engine.cache import cache_dir


def datasets(*, json: bool = False) -> None:
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
    manifests = {name: load_manifest(name) for name in NAMES}
    if json:
        listed = [
            {"name": name, "title": manifest.title, "images": len(manifest.sha256), "licence": manifest.licence,
             "citation": manifest.citation, "where": _where(name)}
            for name, manifest in manifests.items()
        ]  # fmt: skip
        print(json_module.dumps(listed, indent=1, ensure_ascii=False))
        return
    for name, manifest in manifests.items():
        print(f"{name}  {manifest.title}, {len(manifest.sha256)} images")
        print(f"    {_where(name)}")
        print(f"    licence   {manifest.licence}")
        print(f"    citation  {manifest.citation}")


def _where(name: str) -> str:
    found = locate(name, cache_dir())
    return f"{found.state:<8}  {found.said}"
