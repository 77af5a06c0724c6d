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
    compiles
        Whether models are compiled.
    """

    rank: int
    ranks: int
    device: torch.device
    compiles: bool = False

    def agree(self, decision: bool) -> bool:
        """Return the first process's decision in every process."""
        if self.ranks == 1:
            return decision
        flag = torch.tensor(float(decision), device=self.device)
        dist.broadcast(flag, 0)
        return bool(flag)

    def wrap(self, model: torch.nn.Module) -> torch.nn.Module:
        """Return `model` compiled on a GPU, and with its gradients averaged over the processes."""
        network: torch.nn.Module = model
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        if self.compiles:
            network = torch.compile(network)  # type: ignore[assignment]
        if self.ranks > 1:
            network = torch.nn.parallel.DistributedDataParallel(network, find_unused_parameters=True)
        return network


def join_run() -> Place:
    """Return this process's place, joining the others if ``torchrun`` started it."""
    rank, ranks = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if ranks > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Place(rank, ranks, device, compiles=device.type == "cuda")
