"""The optimizer of a recipe: kernels at one rate, conditional scales and biases at another."""

import torch

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
