"""``isorate datasets``."""

from isorate.cache import cache_dir
from isorate.datasets.manifest import load_manifest
from isorate.datasets.registry import NAMES
from isorate.datasets.whereabouts import whereabouts


def datasets() -> None:
    """List the data sets known by name: where they are, how many files, licence and citation.

    Examples
    --------
    ```
    isorate datasets
    ISORATE_KODAK_DIR=/data/kodak isorate datasets
    ```
    """
    for name in NAMES:
        manifest = load_manifest(name)
        print(f"{name}  {manifest.title}, {len(manifest.sha256)} images")
        print(f"    {whereabouts(name, cache_dir())}")
        print(f"    licence   {manifest.licence}")
        print(f"    citation  {manifest.citation}")
