"""The parts of a model that are compiled for a GPU: residual blocks and densities, whose small kernels become few.

Each kind of block is compiled once for each shape, not the network as a whole, which takes minutes; convolutions stay
cuDNN's. An H200's passes of ``base.toml``'s 128 crops take 29.3 ms by a CUDA graph of compiled parts, 44.8 without.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from isorate.codecs.learned.model.autoencoder import Charge
from isorate.codecs.learned.model.layers import DenseBlock, SeparableBlock
from isorate.codecs.learned.training.distributed import Place
from isorate.codecs.learned.training.settings import TrainSettings
from isorate.errors import UsageError

PARTS = (DenseBlock, SeparableBlock, Charge)
MOST_SHAPES = 64
"""Of one kind of part: resolutions, times a run's phases, times what learns."""


class CompilerError(UsageError):
    """PyTorch's compiler failed."""


def compiles(place: Place, recipe: TrainSettings) -> bool:
    """Return whether steps of `recipe` are taken by compiled parts: by GPUs."""
    return recipe.compiled and place.device.type == "cuda"


def compile_parts(model: nn.Module, backend: str | Callable[..., object] = "inductor") -> None:
    """Let the parts of `model` be compiled by `backend` when they are first called; copies of it are not."""
    import torch._dynamo

    torch._dynamo.config.recompile_limit = MOST_SHAPES
    for part in model.modules():
        if isinstance(part, PARTS):
            part.compile(backend=backend, dynamic=False)


@contextmanager
def named_failure() -> Iterator[None]:
    """Turn the compiler's exceptions into a :class:`CompilerError` that tells how to go on without."""
    try:
        yield
    except RuntimeError as error:
        from torch._dynamo.exc import TorchDynamoException  # takes a second, of which a CPU has no use

        if not isinstance(error, TorchDynamoException):
            raise
        reason = " ".join(str(error).splitlines()[:2])  # the first line may name the compiler alone
        raise CompilerError(f"blocks cannot be compiled ({reason}): --set compiled=false") from error
