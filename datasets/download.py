"""Downloading a manifest's files by pooch: several mirrors, retries, a progress bar, checksums."""

from pathlib import Path

from isorate.datasets.manifest import DatasetManifest
from isorate.errors import DatasetError

TIMEOUT_S = 20
TRIES = 2


def download(manifest: DatasetManifest, names: list[str], folder: Path, remedy: str) -> None:
    """Fetch `names` into `folder`; a file is there whole and checked, or not at all.

    A mirror that failed is tried last for the next file.

    Raises
    ------
    DatasetError
        When no mirror gives a file; the message lists what each said, and `remedy`.
    """
    import pooch
    from tqdm import tqdm

    pooch.get_logger().setLevel("WARNING")
    folder.mkdir(parents=True, exist_ok=True)
    mirrors = list(manifest.mirrors)
    for name in tqdm(names, desc=f"downloading {manifest.title}", unit="file", leave=False, disable=None):
        said = []
        for mirror in list(mirrors):
            url = mirror.format(file=name, number=int("".join(filter(str.isdigit, name)) or 0))
            try:
                _retrieve(url, manifest.sha256[name], name, folder)
                break
            except (OSError, ValueError) as error:
                said.append(f"  {url}: {_short(error)}")
                mirrors.remove(mirror)
                mirrors.append(mirror)
        else:
            raise DatasetError(
                f"{manifest.title}: {name} could not be downloaded:\n" + "\n".join(said) + f"\nRemedy: {remedy}"
            )


def _retrieve(url: str, sha256: str, name: str, folder: Path) -> None:
    import pooch

    downloader = pooch.HTTPDownloader(timeout=TIMEOUT_S)
    for attempt in range(TRIES):
        try:
            pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=folder, downloader=downloader)
            return
        except OSError as error:
            response = getattr(error, "response", None)
            if attempt + 1 == TRIES or (response is not None and response.status_code < 500):
                raise


def _short(error: Exception) -> str:
    import requests

    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    text = str(error).splitlines()[0]
    return text if len(text) < 160 else text[:157] + "…"
