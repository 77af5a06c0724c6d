"""How a GPU multiplies the fp32 numbers of a step."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def numerics(device: torch.device, *, exact: bool, tuned: bool) -> Iterator[None]:
    """Set PyTorch's switches for what is within; on a CPU there are none.

    Parameters
    ----------
    device
        Where the step runs.
    exact
        Whether fp32 convolutions and products are of fp32 numbers, not of TF32's 11 bits: the integers' grids
        (:mod:`~isorate.codecs.learned.model.fixed_point`) have 16.
    tuned
        Whether cuDNN tries its algorithms on each new shape.
    """
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.benchmark, torch.get_float32_matmul_precision()
    cudnn.allow_tf32, cudnn.benchmark = not exact, tuned
    torch.set_float32_matmul_precision("highest" if exact else "high")
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.benchmark = before[:2]
        torch.set_float32_matmul_precision(before[2])
