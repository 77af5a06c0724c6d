"""The optimizers of a recipe: kernels at one rate, conditional scales and biases at another."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.precision import in_bfloat16
from isorate.codecs.learned.training.settings import TrainSettings
from isorate.codecs.learned.training.soap import Soap

PRIORS = ("hyper_prior", "latent_prior", "hyper_synthesis_net")


def make_optimizers(model: ConditionalAutoencoder, recipe: TrainSettings) -> list[torch.optim.Optimizer]:
    """Return the optimizers: SOAP for the kernels that the recipe wants preconditioned, Adam for the rest.

    Each group's ``peak`` is its learning rate before the schedule.
    """
    kernels, prior_kernels, gates = [], [], []
    for name, parameter in model.named_parameters():
        if not name.endswith("weight"):
            gates.append(parameter)
        elif name.startswith(PRIORS):
            prior_kernels.append(parameter)
        else:
            kernels.append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": kernels, "peak": recipe.learning_rate, "soap": recipe.optimizer == "soap"},
        {
            "params": prior_kernels,
            "peak": recipe.prior_rate,
            "soap": recipe.optimizer == "soap" and recipe.precondition_priors,
        },
        {"params": gates, "peak": recipe.gate_rate, "soap": False},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if soap := [group for group in groups if group["soap"]]:
        every, longest = recipe.precondition_every, recipe.max_dimension
        device = next(model.parameters()).device
        optimizers.append(
            Soap(
                soap,
                lr=recipe.learning_rate,
                precondition_every=every,
                max_dimension=longest,
                bfloat16=in_bfloat16(recipe.precision, device, recipe.fake_quantize),
            )
        )
    adam = [group for group in groups if not group["soap"]]
    optimizers.append(torch.optim.Adam(adam, lr=recipe.gate_rate, betas=(0.9, 0.99), fused=True))
    return optimizers


def optimizer_tensors(optimizers: Sequence[torch.optim.Optimizer], model: nn.Module) -> dict[str, Tensor]:
    """Return the optimizers' whole state as ``parameter@key``: tensor."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}@{key}": value
        for optimizer in optimizers
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def load_optimizer_tensors(
    optimizers: Sequence[torch.optim.Optimizer], model: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Set the optimizers' state to what :func:`optimizer_tensors` returned."""
    parameters = dict(model.named_parameters())
    owners = {
        id(parameter): optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, tensor in tensors.items():
        parameter, _, key = name.rpartition("@")
        kernel = parameters[parameter]
        owner = owners[id(kernel)]
        on_host = key == "step" and isinstance(owner, Soap)
        owner.state[kernel][key] = tensor.cpu() if on_host else _laid_out_as(kernel, tensor)


def _laid_out_as(kernel: Tensor, tensor: Tensor) -> Tensor:
    """Return `tensor` in the memory format of `kernel`, if it has its shape: the fused Adam reads both in step."""
    return torch.empty_like(kernel, dtype=tensor.dtype).copy_(tensor) if tensor.shape == kernel.shape else tensor
