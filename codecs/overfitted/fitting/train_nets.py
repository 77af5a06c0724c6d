"""The nets alone, on rounded latents; the best state seen is kept."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from isorate.codecs.overfitted.fitting.optimizers import Optimizers
from isorate.codecs.overfitted.fitting.state import State


def train_nets(
    state: State, lmbda: float, optimizers: Optimizers, shares: Sequence[float], fixed: Mapping[str, Tensor]
) -> Iterator[None]:
    """Take a step of the nets for each of `shares`, yielding after each; then the best nets met come back.

    Parameters
    ----------
    state
        Latents, which stay, and nets.
    lmbda
        λ.
    optimizers
        Those of `state`.
    shares
        Of the nets' rate, step by step.
    fixed
        By parameter: which of its numbers stay.
    """
    rounded = state.rounded()
    best: tuple[float, list[Tensor]] | None = None
    for share in shares:
        distortion, bits = state.cost(rounded)
        loss = distortion + lmbda * bits / state.num_pixels
        if best is None or loss.item() < best[0]:
            best = loss.item(), state.copy()
        state.clear_gradients()
        loss.backward()  # type: ignore[no-untyped-call]
        # Without their gradients fixed numbers do not steer the others; SOAP's rotations move them all the same.
        before = {name: state.params[name].detach().clone() for name in fixed}
        for name, where in fixed.items():
            state.params[name].grad.masked_fill_(where, 0)  # type: ignore[union-attr]
        optimizers.step_nets(share)
        with torch.no_grad():
            for name, where in fixed.items():
                value = state.params[name]
                value.copy_(torch.where(where, before[name], value))
        yield
    if best is not None:
        state.restore(best[1])
