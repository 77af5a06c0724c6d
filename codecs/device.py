"""A codec's PyTorch device, where its user asks for one."""

import re
from typing import TYPE_CHECKING

from isorate.errors import CodecUnavailableError

if TYPE_CHECKING:
    import torch


def torch_device(codec: str, name: str) -> "torch.device":
    """Return PyTorch's device of this name.

    Parameters
    ----------
    codec
        The codec's name, for the message.
    name
        As PyTorch names devices: cpu, cuda, cuda:1, mps, xpu.

    Raises
    ------
    CodecUnavailableError
        When this PyTorch, or this machine, cannot compute there.
    """
    import torch

    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = re.split(r"\n|\. ", str(error).strip(), maxsplit=1)[0]
        raise CodecUnavailableError(
            f"{codec}: device={name}: PyTorch {torch.__version__} cannot compute there ({why}); "
            "use device=cpu, or a PyTorch and a driver for that device"
        ) from None
    return device


def check_presence(codec: str, name: str) -> None:
    """Raise :class:`CodecUnavailableError` where a device is not there; ``cpu`` always is, and nothing is loaded."""
    if name != "cpu":
        torch_device(codec, name)
