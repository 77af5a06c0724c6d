"""SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam in the eigenbasis of Shampoo's preconditioner, for kernels.

Convolution kernels are seen as (out, taps, in), which is how channels-last memory holds them: every rotation is then a
product of matrices without a copy. A mode longer than `max_dimension` is not rotated. The state is kept contiguous, as
checkpoints hold it: the order of a product's sums may depend on the layout of its factors.
"""

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

MODES = 3
SHORTEST_MODE = 5
"""Shorter modes are not rotated."""


class Soap(torch.optim.Optimizer):
    """SOAP for convolution kernels; no weight decay.

    Parameters
    ----------
    groups
        Parameter groups of kernels (out, in, height, width), or the kernels alone.
    lr
        The learning rate.
    betas
        Decay of the first and second moment; the second is the Gram matrices', too.
    precondition_every
        Steps between updates of a parameter's eigenbasis; parameters take turns.
    follow_every
        Steps between gradients that the Gram matrices take in, with a share to match.
    max_dimension
        Longest mode that is rotated.
    bfloat16
        Whether gradients and updates are rotated in bfloat16; moments and bases are fp32 always.

    Attributes
    ----------
    found_inf
        None, or on the device 1 if the next step must change nothing, else 0, as PyTorch's fused optimizers have it: a
        GPU's host need not know which. The gradients must be finite all the same.

    Notes
    -----
    With equal betas no element of the first moment exceeds the root of the second (Cauchy and Schwarz), unless a turn
    of the bases moved one without the other. Updates are held to that bound: without it single elements grow at
    random, and now and then a step destroys the network.
    """

    def __init__(
        self,
        groups: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        precondition_every: int = 20,
        follow_every: int = 2,
        max_dimension: int = 512,
        bfloat16: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "every": precondition_every,
            "follow_every": follow_every,
            "max_dimension": max_dimension,
            "bfloat16": bfloat16,
        }
        super().__init__(groups, defaults)
        self.found_inf: Tensor | None = None
        self._half: MutableMapping[Tensor, Tensor] = WeakTensorKeyDictionary()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = closure() if closure is not None else None
        turn = 0
        taken = 1.0 if self.found_inf is None else 1 - self.found_inf
        for group in self.param_groups:
            turns = range(turn + 1, turn + 1 + len(group["params"]))
            turn += len(group["params"])
            learning = [(p, turn) for p, turn in zip(group["params"], turns, strict=True) if p.grad is not None]
            if learning:
                self._update(learning, group, taken)
        return loss

    def _update(self, learning: Sequence[tuple[Tensor, int]], group: dict[str, Any], taken: float | Tensor) -> None:
        """Take the step of a group's parameters, each with its turn, by one call for all where there is one."""
        parameters, turns = [parameter for parameter, _ in learning], [turn for _, turn in learning]
        half, eps, (beta1, beta2) = group["bfloat16"], group["eps"], group["betas"]
        grads = [_as_modes(parameter.grad.float()) for parameter in parameters if parameter.grad is not None]
        states = [self._state(p, grad, group["max_dimension"]) for p, grad in zip(parameters, grads, strict=True)]
        counts = [int(state["step"]) for state in states]
        means, squares = [state["mean"] for state in states], [state["square"] for state in states]
        bases = [self._halved(_bases(state)) if half else _bases(state) for state in states]
        rotated = [_rotate(grad, own) for grad, own in zip(grads, bases, strict=True)]
        shares = [(1 - decay) * taken for decay in (beta1, beta2, beta2 ** group["follow_every"])]
        for mean, value in zip(means, rotated, strict=True):
            mean.lerp_(value, shares[0])
        torch._foreach_mul_(rotated, rotated)
        for square, value in zip(squares, rotated, strict=True):
            square.lerp_(value, shares[1])
        roots = torch._foreach_sqrt(squares)
        torch._foreach_mul_(roots, [(1 - beta2**count) ** -0.5 for count in counts])
        torch._foreach_add_(roots, eps)
        updates = torch._foreach_div(means, roots)
        torch._foreach_clamp_min_(updates, -1)
        torch._foreach_clamp_max_(updates, 1)
        for parameter, own, update, count in zip(parameters, bases, updates, counts, strict=True):
            step = _as_kernel(_rotate(update, own, back=True), parameter.shape)
            rate = group["lr"] / (1 - beta1**count)
            if isinstance(taken, Tensor):
                parameter.addcmul_(step, taken, value=-rate)
            else:
                parameter.sub_(step, alpha=rate)
        for grad, state, count, turn in zip(grads, states, counts, turns, strict=True):
            if (count + turn) % group["follow_every"] == 0:
                _follow(grad, state, shares[2], half)
            if (count + turn) % group["every"] == 0:
                _turn_bases(state)

    def _state(self, parameter: Tensor, grad: Tensor, longest: int) -> dict[str, Any]:
        """Return the state of `parameter` at its next step, begun if this is the first."""
        state: dict[str, Any] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.int64)
            state["mean"] = torch.zeros_like(grad)
            state["square"] = torch.zeros_like(grad)
            _start_bases(grad, state, longest)
        state["step"] += 1
        return state

    def _halved(self, bases: list[Tensor | None]) -> list[Tensor | None]:
        """Return `bases` in bfloat16, each converted once."""
        for basis in bases:
            if basis is not None and basis not in self._half:
                self._half[basis] = basis.bfloat16()
        return [basis if basis is None else self._half[basis] for basis in bases]


def _as_modes(kernel: Tensor) -> Tensor:
    """Return `kernel` (out, in, height, width) as (out, taps, in), contiguous."""
    return kernel.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def _as_kernel(modes: Tensor, shape: torch.Size) -> Tensor:
    """Return `modes` (out, taps, in) as a kernel of `shape` (out, in, height, width)."""
    out, fan_in, height, width = shape
    return modes.view(out, height, width, fan_in).permute(0, 3, 1, 2)


def _bases(state: dict[str, Any]) -> list[Tensor | None]:
    return [state.get(f"basis{mode}") for mode in range(MODES)]


def _rotate(tensor: Tensor, bases: list[Tensor | None], *, back: bool = False) -> Tensor:
    """Return `tensor` (out, taps, in) with each mode multiplied by its basis (or its transpose), a tensor of its own.

    The products are of numbers of the bases' type: of bfloat16 they have a relative error of 2^-8, far below a
    gradient's noise.
    """
    dtypes = [basis.dtype for basis in bases if basis is not None]
    tensor = tensor.to(dtypes[0]) if dtypes else tensor.clone()
    rows, taps, columns = (basis.t() if basis is not None and back else basis for basis in bases)
    if columns is not None:
        tensor = (tensor.flatten(0, 1) @ columns).view_as(tensor)
    if taps is not None:
        tensor = taps.t() @ tensor
    if rows is not None:
        tensor = (rows.t() @ tensor.flatten(1)).view_as(tensor)
    return tensor.float()


def _start_bases(grad: Tensor, state: dict[str, Any], longest: int) -> None:
    for mode, size in enumerate(grad.shape):
        if not SHORTEST_MODE <= size <= longest:
            continue
        outer = _outer(grad, mode)
        state[f"outer{mode}"] = outer * 0.05
        jitter = 1e-12 * torch.eye(size, device=grad.device)
        basis = _eigenvectors(outer / outer.diagonal().mean().clamp_min(1e-30) + jitter)
        state[f"basis{mode}"] = basis.contiguous()


def _eigenvectors(matrix: Tensor) -> Tensor:
    """Return the eigenvectors of the symmetric `matrix`, in columns.

    Those of a GPU's are found by one thread of the CPU, which takes 0.9 s for the 171 of ``base.toml`` (an H200 14 to
    24 s); two threads, disturbed by other programs, took 150 times as long for 384 rows.
    """
    if matrix.device.type == "cpu":
        vectors: Tensor = torch.linalg.eigh(matrix)[1]
        return vectors
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        vectors = torch.linalg.eigh(matrix.cpu())[1]
    finally:
        torch.set_num_threads(threads)
    return vectors.to(matrix.device)


def _follow(grad: Tensor, state: dict[str, Any], share: float | Tensor, half: bool) -> None:
    grad = grad.bfloat16() if half else grad
    for mode in range(MODES):
        if f"outer{mode}" in state:
            state[f"outer{mode}"].lerp_(_outer(grad, mode).float(), share)


def _turn_bases(state: dict[str, Any]) -> None:
    """Take one step of the power iteration towards the current eigenbases, largest eigenvalue first."""
    mean = _rotate(state["mean"], _bases(state), back=True)
    for mode in range(MODES):
        if f"outer{mode}" not in state:
            continue
        outer, basis = state[f"outer{mode}"], state[f"basis{mode}"]
        product = outer @ basis
        order = (basis * product).sum(0).argsort(descending=True, stable=True)
        state["square"] = state["square"].index_select(mode, order)
        basis = torch.linalg.qr(product[:, order] / outer.diagonal().mean().clamp_min(1e-30))[0]
        state[f"basis{mode}"] = basis.contiguous()
    state["mean"] = _rotate(mean, _bases(state))


def _outer(grad: Tensor, mode: int) -> Tensor:
    """Return the Gram matrix of `grad` (out, taps, in) along `mode`."""
    if mode == 0:
        flat = grad.flatten(1)
        return flat @ flat.t()
    if mode == 1:
        return torch.einsum("oti,osi->ts", grad, grad)
    flat = grad.flatten(0, 1)
    return flat.t() @ flat
