"""The optimizer."""

import pytest
import torch

from isorate.codecs.learned.training.soap import Soap


def test_no_update_of_soap_exceeds_the_bound_of_its_moments() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.zeros(12, 6, 3, 3))
    optimizer = Soap([weight], lr=1.0, precondition_every=5)
    for step in range(60):
        # Gradients of rank one, in a direction that jumps when the bases have just followed the last one.
        before = weight.detach().clone()
        direction = torch.randn(
            12, 1, generator=generator if step % 7 == 0 else torch.Generator().manual_seed(step // 7)
        )
        weight.grad = (direction * torch.randn(1, 54, generator=generator)).view(12, 6, 3, 3) * 10.0 ** (step % 3 - 1)
        optimizer.step()
        correction = 1 - 0.95 ** (step + 1)
        # A rotation keeps the norm: at most one for each element.
        assert (weight.detach() - before).norm() <= 1.001 * weight.numel() ** 0.5 / correction


@pytest.mark.parametrize("bfloat16", [False, True])
def test_soap_moves_kernels_together_as_each_alone(bfloat16: bool) -> None:
    shapes = [(12, 6, 3, 3), (8, 24, 1, 1), (4, 3, 1, 1)]

    def make(count: int) -> tuple[list[torch.nn.Parameter], list[Soap]]:
        kernels = [torch.nn.Parameter(torch.ones(shape)) for shape in shapes]
        groups = [kernels] if count == 1 else [[kernel] for kernel in kernels]
        return kernels, [
            Soap(group, lr=0.1, precondition_every=1, follow_every=1, bfloat16=bfloat16) for group in groups
        ]

    (together, one), (alone, several) = make(1), make(3)
    for step in range(6):
        for index, (kernel, other) in enumerate(zip(together, alone, strict=True)):
            missing = index == 1 and step in (0, 3)  # a kernel that does not learn for a while
            gradient = torch.randn(kernel.shape, generator=torch.Generator().manual_seed(10 * step + index))
            kernel.grad, other.grad = (None, None) if missing else (gradient, gradient.clone())
        for optimizer in (*one, *several):
            optimizer.step()
    for kernel, other in zip(together, alone, strict=True):
        assert torch.equal(kernel, other)
        assert not torch.equal(kernel, torch.ones_like(kernel))


@pytest.mark.parametrize("bfloat16", [False, True])
def test_soap_descends_in_orthonormal_bases(bfloat16: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(12, 12, generator=generator)
    target = torch.randn(12, 6, 3, 3, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(12, 6, 3, 3))
    optimizer = Soap([weight], lr=0.03, precondition_every=5, bfloat16=bfloat16)
    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.einsum("oi,ihwk->ohwk", mixing, weight - target).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    for mode, size in enumerate((12, 9, 6)):
        basis = optimizer.state[weight][f"basis{mode}"]
        torch.testing.assert_close(basis.t() @ basis, torch.eye(size), atol=1e-4, rtol=0)
