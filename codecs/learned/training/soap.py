"""SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam in the eigenbasis of Shampoo's preconditioner.

Convolution kernels are seen as (out, in, taps). A mode longer than `max_dimension`, and everything that is no kernel,
gets plain Adam.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


def _as_modes(parameter: Tensor) -> list[int]:
    if parameter.dim() < 3:
        return list(parameter.shape)
    out, fan_in, *window = parameter.shape
    taps = int(torch.tensor(window).prod())
    return [out, fan_in, taps] if taps > 1 else [out, fan_in]


def _rotate(tensor: Tensor, bases: list[Tensor | None], back: bool = False) -> Tensor:
    """Return `tensor` with each mode multiplied by its basis (or its transpose); None leaves a mode alone."""
    for basis in bases:
        if basis is None:
            tensor = tensor.permute(*range(1, tensor.dim()), 0)
        else:
            tensor = torch.tensordot(tensor, basis, dims=([0], [1 if back else 0]))
    return tensor


class Soap(torch.optim.Optimizer):
    """SOAP for groups with ``precondition=True``, Adam for the others; no weight decay.

    Parameters
    ----------
    groups
        Parameter groups; each may set ``lr`` and ``precondition``.
    lr
        The default learning rate.
    betas
        Decay of the first and second moment.
    precondition_every
        Steps between updates of a parameter's eigenbasis; parameters take turns.
    max_dimension
        Longest mode that is preconditioned.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        precondition_every: int = 20,
        max_dimension: int = 512,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "precondition": False,
            "every": precondition_every,
            "max_dimension": max_dimension,
        }
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = closure() if closure is not None else None
        turn = 0
        for group in self.param_groups:
            for parameter in group["params"]:
                turn += 1
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad.float(), group, turn)
        return loss

    def _update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any], turn: int) -> None:
        modes = _as_modes(parameter)
        grad = grad.reshape(modes)
        state = self.state[parameter]
        precondition = group["precondition"] and any(4 < m <= group["max_dimension"] for m in modes)
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            state["mean"] = torch.zeros_like(grad)
            state["square"] = torch.zeros_like(grad)
            if precondition:
                self._start_bases(grad, modes, state, group["max_dimension"])
        bases: list[Tensor | None] = [state.get(f"basis{mode}") for mode in range(len(modes))]
        beta1, beta2 = group["betas"]
        state["step"] += 1
        count = int(state["step"])
        rotated = _rotate(grad, bases) if precondition else grad
        state["mean"].lerp_(grad, 1 - beta1)
        state["square"].lerp_(rotated.square(), 1 - beta2)
        first = _rotate(state["mean"], bases) if precondition else state["mean"]
        denominator = (state["square"] / (1 - beta2**count)).sqrt_().add_(group["eps"])
        update = first / denominator
        if precondition:
            update = _rotate(update, bases, back=True)
            self._follow(grad, state, beta2)
            if (count + turn) % group["every"] == 0:
                self._turn_bases(state)
        parameter.sub_(update.reshape(parameter.shape).to(parameter.dtype), alpha=group["lr"] / (1 - beta1**count))

    def _start_bases(self, grad: Tensor, modes: list[int], state: dict[str, Any], longest: int) -> None:
        for mode, size in enumerate(modes):
            if not 4 < size <= longest:
                continue
            outer = _outer(grad, mode)
            state[f"outer{mode}"] = outer * 0.05
            jitter = 1e-12 * torch.eye(size, device=grad.device)
            state[f"basis{mode}"] = torch.linalg.eigh(outer / outer.diagonal().mean().clamp_min(1e-30) + jitter)[1]

    def _follow(self, grad: Tensor, state: dict[str, Any], beta: float) -> None:
        for mode in range(grad.dim()):
            if f"outer{mode}" in state:
                state[f"outer{mode}"].lerp_(_outer(grad, mode), 1 - beta)

    def _turn_bases(self, state: dict[str, Any]) -> None:
        """Take one step of the power iteration towards the current eigenbasis, largest eigenvalue first."""
        for mode in range(state["mean"].dim()):
            if f"outer{mode}" not in state:
                continue
            outer, basis = state[f"outer{mode}"], state[f"basis{mode}"]
            product = outer @ basis
            order = (basis * product).sum(0).argsort(descending=True, stable=True)
            state["square"] = state["square"].index_select(mode, order)
            state[f"basis{mode}"] = torch.linalg.qr(product[:, order] / outer.diagonal().mean().clamp_min(1e-30))[0]


def _outer(grad: Tensor, mode: int) -> Tensor:
    """Return the Gram matrix of `grad` along `mode`."""
    flat = grad.movedim(mode, 0).flatten(1)
    return flat @ flat.t()
