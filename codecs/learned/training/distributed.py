"""Where a training process runs, and what it shares with the others of a ``torchrun``."""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True, slots=True)
class Place:
    """One process of a run.

    Attributes
    ----------
    rank, ranks
        This process and their number.
    device
        Its GPU, or the CPU.
    runs_ahead
        Whether the host launches the device's work ahead of it, so that reading a number would hold both up.
    """

    rank: int
    ranks: int
    device: torch.device
    runs_ahead: bool = False

    def agree(self, decision: bool) -> bool:
        """Return the first process's decision in every process."""
        if self.ranks == 1:
            return decision
        flag = torch.tensor(float(decision), device=self.device)
        dist.broadcast(flag, 0)
        return bool(flag)

    def generator(self) -> torch.Generator:
        """Return a source of random numbers on the device: a GPU's default one, since a CUDA graph knows no other."""
        if self.device.type == "cuda":
            return torch.cuda.default_generators[self.device.index or 0]
        return torch.Generator(self.device)

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return `model` with its gradients averaged over the processes."""
        if self.ranks > 1:
            return torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
        return model


def join_run() -> Place:
    """Return this process's place, joining the others if ``torchrun`` started it."""
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if ranks > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Place(rank, ranks, device, runs_ahead=device.type == "cuda")
