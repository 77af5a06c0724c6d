"""The files of weights that LPIPS and DISTS load: where they are, and that they are the right ones."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from isorate.errors import MetricUnavailableError

if TYPE_CHECKING:
    from torch import Tensor

DIGITS = 12
"""Of a file's SHA-256 in hexadecimal, what a metric's implementation has."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network's ImageNet weights, as torchvision publishes them.

    Attributes
    ----------
    network
        Its name, for messages.
    file
        The file's name: after the last hyphen the first digits of its SHA-256.
    megabytes
        What a download takes.
    """

    network: str
    file: str
    megabytes: int

    @property
    def address(self) -> str:
        """Where it is published."""
        return f"https://download.pytorch.org/models/{self.file}"

    @property
    def path(self) -> Path:
        """Where PyTorch keeps such files: ``hub/checkpoints`` under ``TORCH_HOME``, by default ``~/.cache/torch``."""
        import torch

        return Path(torch.hub.get_dir()).expanduser() / "checkpoints" / self.file

    def checked(self, metric: str) -> Path:
        """Return :attr:`path` after a look at the file.

        Raises
        ------
        MetricUnavailableError
            When it is not there, cannot be read or is not what its name says; the message is the remedy.
        """
        try:
            path = self.path
        except RuntimeError:  # no HOME, and no entry in the system's list
            raise MetricUnavailableError(
                f"{metric}: there is no home folder with {self.file}, {self.network}'s weights; set TORCH_HOME to a "
                f"folder that has it as hub/checkpoints/{self.file} (from {self.address}, {self.megabytes} MB)"
            ) from None
        get = f"curl -fL --create-dirs -o {shlex.quote(str(path))} {self.address}"
        try:
            found = sha256(path)
        except FileNotFoundError:
            raise MetricUnavailableError(
                f"{metric}: {self.file}, {self.network}'s weights, is not in {path.parent}, and nothing is downloaded "
                f"by itself; get it once ({self.megabytes} MB): {get}"
            ) from None
        except OSError as error:
            raise MetricUnavailableError(f"{metric}: {path} cannot be read: {error.strerror or error}") from None
        said = path.stem.rpartition("-")[2]
        if not found.startswith(said):
            raise MetricUnavailableError(
                f"{metric}: {path} is damaged or another file: its SHA-256 begins with {found[: len(said)]}, not with "
                f"{said}; get it again ({self.megabytes} MB): {get}"
            )
        return path


def package_file(package: str, name: str, metric: str) -> Path:
    """Return a file that an installed package brings, without running any of the package.

    Parameters
    ----------
    package, name
        The module's name, and the file's path below it.
    metric
        For the message.

    Raises
    ------
    MetricUnavailableError
        When it is not there; the message says what to install.
    """
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / name).is_file():
            return path
    lacks = f"{package} is not installed" if spec is None else f"{package} as installed here has no {name}"
    raise MetricUnavailableError(f"{metric}: {lacks}; pip install 'isorate[perceptual]'")


def describe(package: str, *files: Path) -> str:
    """Return what a metric says of its implementation: versions, and the begin of each file's SHA-256.

    Parameters
    ----------
    package
        The distribution that brings the first file.
    files
        What is loaded.

    Raises
    ------
    OSError
        When one cannot be read.
    """
    loaded = " and ".join(f"{file.name} (SHA-256 {sha256(file)[:DIGITS]})" for file in files)
    return f"isorate, PyTorch {version('torch')}; {package} {version(package)}: {loaded}"


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; one that did not change is read once.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    state = path.stat()
    return _sha256(path, state.st_size, state.st_mtime_ns)


@cache
def _sha256(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(path: Path, shapes: Mapping[str, Sequence[int]], metric: str) -> dict[str, "Tensor"]:
    """Return tensors of a file of PyTorch's, read as data: what would run as a program is refused.

    Parameters
    ----------
    path
        The file; it may hold more.
    shapes
        What is asked for, by name.
    metric
        For messages.

    Returns
    -------
    By name, float32.

    Raises
    ------
    MetricUnavailableError
        When the file cannot be read, or one of them is not there or of another shape.
    """
    import torch

    remedy = "remove it, and `isorate metrics` says how to get the right one"
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles of any origin
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise MetricUnavailableError(f"{metric}: {path} is no file of weights ({why}); {remedy}") from None
    for name, shape in shapes.items():
        value = found.get(name) if isinstance(found, dict) else None
        if not isinstance(value, torch.Tensor) or value.shape != torch.Size(shape):
            lacks = f"{name} of shape {' × '.join(map(str, shape))}"
            raise MetricUnavailableError(f"{metric}: {path} holds other weights: no {lacks}; {remedy}")
    return {name: found[name].float() for name in shapes}
