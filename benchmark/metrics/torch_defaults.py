"""PyTorch as it comes: packages change its settings for a whole process, a plug-in among them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

AUTOCAST = ("cpu", "cuda")


class _OfTheProcess:
    """How many are computing with PyTorch's own precision of products and type, and what these were before."""

    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.precision = "highest"
        self.dtype: torch.dtype | None = None

    def enter(self) -> None:
        import torch

        with self.lock:
            if not self.inside:
                self.precision, self.dtype = _precision(), torch.get_default_dtype()
            self.inside += 1
            torch.set_float32_matmul_precision("highest")
            torch.set_default_dtype(torch.float32)

    def leave(self) -> None:
        import torch

        with self.lock:
            self.inside -= 1
            if not self.inside:
                torch.set_float32_matmul_precision(self.precision)
                assert self.dtype is not None
                torch.set_default_dtype(self.dtype)


_of_the_process = _OfTheProcess()


@contextmanager
def torch_defaults() -> Iterator[None]:
    """Compute in PyTorch's own precision, type and place for what names none; what was set is set again afterwards.

    With autocast left on, MS-SSIM was above 1; a lower precision of products changes what a network decodes. Precision
    and type are the whole process's: while several threads are in here, the last one out sets them again.
    """
    import torch

    casting = [kind for kind in AUTOCAST if torch.is_autocast_enabled(kind)]
    _of_the_process.enter()
    try:
        for kind in casting:
            torch.set_autocast_enabled(kind, False)
        # asked of a tensor: an older PyTorch's get_default_device leaves out `with torch.device(...)`; and named only
        # where that is needed, since a device that is named costs time at every call
        elsewhere = torch.empty(0).device != torch.device("cpu")
        with torch.device("cpu") if elsewhere else nullcontext():
            yield
    finally:
        for kind in casting:
            torch.set_autocast_enabled(kind, True)
        _of_the_process.leave()


def _precision() -> str:
    import torch

    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # it was set by PyTorch's other interface, which this one cannot read: lost is speed alone
        return "highest"
