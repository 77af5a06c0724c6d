"""``python -m isorate.codecs.learned.training.export CHECKPOINT WEIGHTS``: the averaged weights as a weights file."""

import argparse
import sys
from pathlib import Path

from isorate.codecs.learned.config import ModelConfig
from isorate.codecs.learned.training.checkpoint import read_checkpoint
from isorate.codecs.learned.weights_io import write_weights
from isorate.errors import IsorateError


def export(checkpoint: Path, weights: Path) -> str:
    """Write the averaged weights of `checkpoint` to `weights` in fp16; return the model's identity."""
    tensors, state = read_checkpoint(checkpoint)
    averaged = {name[4:]: tensor for name, tensor in tensors.items() if name.startswith("ema.")}
    return write_weights(weights, ModelConfig.from_dict(state["model"]), averaged)


def main(arguments: list[str] | None = None) -> int:
    """Parse `arguments` and export; return the exit status."""
    parser = argparse.ArgumentParser(description="Write a checkpoint's averaged weights as a weights file.")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("weights", type=Path)
    given = parser.parse_args(arguments)
    try:
        print(export(given.checkpoint, given.weights))
    except IsorateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
