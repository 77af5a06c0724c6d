"""PyTorch as it comes: packages change its settings for a whole process, a plug-in among them."""

from collections.abc import Iterator
from contextlib import contextmanager

AUTOCAST = ("cpu", "cuda")


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Compute in PyTorch's own precision, type and place for what names none; what was set is set again afterwards.

    With autocast left on, MS-SSIM was above 1; a lower precision of products changes what a network decodes.
    """
    import torch

    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:  # it was set by PyTorch's other interface, which this one cannot read: lost is speed alone
        precision = "highest"
    dtype, device = torch.get_default_dtype(), torch.get_default_device()
    casting = [kind for kind in AUTOCAST if torch.is_autocast_enabled(kind)]
    elsewhere = device != torch.device("cpu")
    torch.set_float32_matmul_precision("highest")
    torch.set_default_dtype(torch.float32)
    if elsewhere:  # a default that is set costs time at every call
        torch.set_default_device(None)
    for kind in casting:
        torch.set_autocast_enabled(kind, False)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_default_dtype(dtype)
        if elsewhere:
            torch.set_default_device(device)
        for kind in casting:
            torch.set_autocast_enabled(kind, True)
