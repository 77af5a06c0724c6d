"""The optimizer of a recipe: kernels at one rate, conditional scales and biases at another."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from isorate.codecs.learned.model import ConditionalAutoencoder
from isorate.codecs.learned.training.settings import TrainSettings
from isorate.codecs.learned.training.soap import Soap

PRIORS = ("hyper_prior", "latent_prior", "hyper_synthesis_net")


def make_optimizer(model: ConditionalAutoencoder, recipe: TrainSettings) -> torch.optim.Optimizer:
    """Return the optimizer; plain Adam is SOAP without preconditioning.

    Each group's ``peak`` is its learning rate before the schedule.
    """
    kernels, prior_kernels, gates = [], [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if not name.endswith("weight"):
            gates.append(parameter)
        elif name.startswith(PRIORS):
            prior_kernels.append(parameter)
        else:
            kernels.append(parameter)
    soap = recipe.optimizer == "soap"
    groups = [
        {"params": kernels, "peak": recipe.learning_rate, "precondition": soap},
        {"params": prior_kernels, "peak": recipe.prior_rate, "precondition": soap and recipe.precondition_priors},
        {"params": gates, "peak": recipe.gate_rate, "precondition": False},
    ]
    for group in groups:
        group["betas"] = (0.95, 0.95) if group["precondition"] else (0.9, 0.99)
    return Soap(
        groups,
        lr=recipe.learning_rate,
        precondition_every=recipe.precondition_every,
        max_dimension=recipe.max_dimension,
    )


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Return the optimizer's whole state as ``parameter@key``: tensor."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}@{key}": value
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Set the optimizer's state to what :func:`optimizer_tensors` returned."""
    parameters = dict(model.named_parameters())
    for name, tensor in tensors.items():
        parameter, _, key = name.rpartition("@")
        optimizer.state[parameters[parameter]][key] = tensor.cpu() if key == "step" else tensor
