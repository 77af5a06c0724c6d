"""The weights file: one safetensors of fp16 tensors with the model's configuration and identity in its metadata."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from isorate.codecs.learned.config import ModelConfig
from isorate.codecs.learned.model import ConditionalAutoencoder
from isorate.errors import CodecUnavailableError

FORMAT = "isorate-learned-1"


def model_id(config: ModelConfig, tensors: Mapping[str, Tensor]) -> str:
    """Return the identity of a set of weights: 16 hexadecimal digits of SHA-256 over configuration and tensors."""
    digest = hashlib.sha256(config.to_json().encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def write_weights(path: Path, config: ModelConfig, weights: Mapping[str, Tensor]) -> str:
    """Write `weights` to `path`, floating point as fp16 and integers as they are; return the model's identity."""
    tensors = {
        name: (tensor.detach().half() if tensor.is_floating_point() else tensor.detach()).cpu().contiguous()
        for name, tensor in weights.items()
    }
    identity = model_id(config, tensors)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"format": FORMAT, "config": config.to_json(), "model_id": identity})
    return identity


def read_weights(path: Path) -> tuple[ModelConfig, dict[str, Tensor], str]:
    """Return the configuration, the tensors as stored and the model's identity.

    Raises
    ------
    CodecUnavailableError
        When the file is missing, is no weights file, or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CodecUnavailableError(f"{path}: cannot read the learned codec's weights: {error}") from error
    if metadata.get("format") != FORMAT:
        raise CodecUnavailableError(f"{path}: weights of format {metadata.get('format')!r}, not {FORMAT!r}")
    config = ModelConfig.from_dict(json.loads(metadata["config"]))
    identity = model_id(config, tensors)
    if identity != metadata.get("model_id"):
        raise CodecUnavailableError(f"{path}: the weights are damaged: identity {identity}, not {metadata['model_id']}")
    return config, tensors, identity


def load_model(path: Path) -> ConditionalAutoencoder:
    """Return the model of a weights file, in fp32 and evaluation mode."""
    config, tensors, _ = read_weights(path)
    model = ConditionalAutoencoder(config)
    names = set(model.state_dict())
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items() if name in names})
    return model.eval()
