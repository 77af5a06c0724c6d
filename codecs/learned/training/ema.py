"""An exponential moving average of the weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a model's parameters, warmed up so that early steps are forgotten.

    Parameters
    ----------
    model
        Its parameters at this moment are the start.
    decay
        Of each step, once the run is long.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow: dict[str, Tensor] = {name: p.detach().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the parameters after `step` steps."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        parameters = dict(model.named_parameters())
        names = list(self.shadow)
        torch._foreach_lerp_([self.shadow[n] for n in names], [parameters[n].detach() for n in names], share)

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved average."""
        for name, tensor in self.shadow.items():
            tensor.copy_(state[name])
