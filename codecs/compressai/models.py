"""CompressAI's registry of models, and a model with a checkpoint's weights."""

import hashlib
import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from isorate.codecs.device import torch_device
from isorate.errors import CodecError, CodecUnavailableError

NESTED = ("network", "state_dict", "model_state_dict")
"""Under which names training scripts keep the weights in a checkpoint."""
HYPER_GAIN = "gayn2zqstep."
"""Parameters with this name vary the hyper-latent's rate too: they are there or not, by the checkpoint."""


def is_variable(model: str) -> bool:
    """Return whether a model is one of variable rate (Kamisli, Racapé & Choi, DCC 2024): one checkpoint, any gain."""
    return model.endswith("-vbr")


def registry() -> dict[str, Any]:
    """Return CompressAI's models by name.

    Raises
    ------
    CodecUnavailableError
        When it is not installed, or cannot be imported; the message says what helps.
    """
    try:
        version("compressai")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import compressai.models  # noqa: F401  fills the registry
            from compressai.registry import MODELS
    except PackageNotFoundError as error:
        raise CodecUnavailableError(f"compressai: {error}; pip install 'isorate[compressai]'") from None
    except (ImportError, RuntimeError, OSError) as error:
        raise CodecUnavailableError(f"compressai: {error}; {_remedy()}") from None
    return MODELS  # type: ignore[no-any-return]


def _remedy() -> str:
    """Return what helps where the package is there and cannot be imported: mostly torchvision of another build."""
    try:
        vision = version("torchvision")
    except PackageNotFoundError:
        return "pip install 'isorate[compressai]'"
    return (
        f"PyTorch {version('torch')} and torchvision {vision} must be of one build, and PyPI's are for CUDA: "
        "uv pip install --torch-backend=auto --reinstall torch torchvision, or both as PyTorch's installation page says"
    )


@cache
def network(model: str, file: Path, changed: int, device: str) -> Any:
    """Return the model with the weights of a checkpoint, ready to code.

    Parameters
    ----------
    model
        A name of the registry.
    file, changed
        The checkpoint, and when it was changed.
    device
        As PyTorch names devices.

    Raises
    ------
    CodecUnavailableError
        When there is no such model or device.
    CodecError
        When the file is no checkpoint of the model.
    """
    import torch

    models = registry()
    if model not in models:
        raise CodecUnavailableError(f"compressai: no model {model!r}; there are: {', '.join(sorted(models))}")
    from compressai.zoo.pretrained import load_pretrained

    place = torch_device("compressai", device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            weights = torch.load(file, map_location="cpu", weights_only=True)
            weights = load_pretrained(next((weights[name] for name in NESTED if name in weights), weights))
            more = {"vr_entbttlnck": True} if any(name.startswith(HYPER_GAIN) for name in weights) else {}
            found = models[model].from_state_dict(weights, **more)
            found.eval().update()
    except Exception as error:  # pickles and shapes of any origin
        raise CodecError(f"compressai: {file} is no checkpoint of {model}: {error}") from None
    return found.to(place)


@cache
def digest(file: Path, changed: int) -> bytes:
    """Return the first four bytes of a checkpoint's SHA-256; `changed` is when it was changed."""
    return hashlib.sha256(file.read_bytes()).digest()[:4]
