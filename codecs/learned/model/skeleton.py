"""A model without its numbers: what a file's tensors are measured by, and what they are put into."""

import torch

from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig


def skeleton(config: ModelConfig) -> ConditionalAutoencoder:
    """Return a model whose parameters have names and shapes alone (on PyTorch's meta device), whatever its size."""
    with torch.device("meta"):
        return ConditionalAutoencoder(config)
