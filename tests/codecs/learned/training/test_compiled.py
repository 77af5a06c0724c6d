"""Parts compiled for a GPU, as far as a CPU can show: by a backend that traces and compiles nothing."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from isorate.codecs.learned.model.autoencoder import Charge, ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.layers import DenseBlock
from isorate.codecs.learned.tools.session import possible
from isorate.codecs.learned.training.compiled import CompilerError, compile_parts, compiles, named_failure
from isorate.codecs.learned.training.distributed import Place
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import RunSettings, TrainSettings

pytestmark = [  # of the compiler's own tracing
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings(
        "ignore:.*torch.autograd.function.Function.* should not be instantiated:DeprecationWarning"
    ),
]

CUDA = torch.device("cuda", 0)
RECIPE = TrainSettings(total_steps=20)
MODEL = ModelConfig(
    fine_channels=24,
    coarse_channels=32,
    latent_channels=32,
    hyper_channels=8,
    encoder_fine_blocks=3,
    encoder_coarse_blocks=2,
    decoder_coarse_blocks=2,
    decoder_fine_blocks=3,
    prior_channels=16,
)


def gradients(model: ConditionalAutoencoder) -> dict[str, torch.Tensor]:
    x = torch.rand(2, 3, 64, 128, generator=torch.Generator().manual_seed(1))
    lmbda, bin_size = torch.tensor([0.01, 0.002]), torch.tensor([1.0, 1.5])
    coded = model(x, lmbda, bin_size, "mixed", torch.Generator().manual_seed(2))
    model.zero_grad()
    ((coded.picture - x).square().mean() + 1e-4 * coded.bits.mean()).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_compiled_parts_learn_the_same_and_each_shape_is_compiled_once() -> None:
    from torch._dynamo.testing import CompileCounterWithBackend  # the compiler takes 2 s to import

    torch.manual_seed(3)
    model = ConditionalAutoencoder(MODEL)
    for block in model.modules():
        if isinstance(block, DenseBlock):
            torch.nn.init.normal_(block.mix.weight, std=0.1)
    expected = gradients(model)
    tracing = CompileCounterWithBackend("aot_eager")
    compile_parts(model, tracing)
    found = gradients(model)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
    assert tracing.frame_count == 4, "blocks of two resolutions, the charges of two latents"
    gradients(model)
    assert tracing.frame_count == 4


def test_copies_are_not_compiled() -> None:
    model = ConditionalAutoencoder(MODEL)
    compile_parts(model, "aot_eager")
    parts = [part for part in model.modules() if part._compiled_call_impl is not None]
    assert len(parts) == 11
    assert {type(part) for part in parts} == {DenseBlock, Charge}
    assert all(part._compiled_call_impl is None for part in copy.deepcopy(model).modules())


def test_parts_are_compiled_for_gpus_unless_declined() -> None:
    place = Place(0, 1, CUDA, runs_ahead=True)
    assert compiles(place, RECIPE)
    assert compiles(replace(place, ranks=2), RECIPE)
    assert not compiles(place, replace(RECIPE, compiled=False))
    assert not compiles(replace(place, device=torch.device("cpu")), RECIPE)


def fails(*_: object) -> None:
    raise RuntimeError("no C compiler\nand so on")


def test_a_compiler_that_fails_is_named_with_its_cause() -> None:
    from torch._dynamo.exc import BackendCompilerFailed

    model = ConditionalAutoencoder(MODEL)
    compile_parts(model, fails)
    with (
        pytest.raises(CompilerError, match=r"compiled \(.*no C compiler\): --set compiled=false") as caught,
        named_failure(),
    ):
        gradients(model)
    assert isinstance(caught.value.__cause__, BackendCompilerFailed)


def test_a_session_goes_on_without_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def steps(trainer: Trainer) -> None:
        tried.append(trainer.recipe.compiled)
        if tried[-1]:
            raise CompilerError("blocks cannot be compiled (no C compiler): --set compiled=false")

    class Untold:
        def __init__(self, settings: RunSettings, folder: Path) -> None:
            self.recipe = settings.train

        try_steps = steps

    monkeypatch.setattr("isorate.codecs.learned.tools.session.Trainer", Untold)
    said: list[str] = []
    settings = possible(RunSettings(MODEL, RECIPE, tmp_path, None), tmp_path, said.append)
    assert tried == [True, False]
    assert settings.train == replace(RECIPE, compiled=False)
    assert said == ["blocks cannot be compiled (no C compiler): --set compiled=false; going on without"]


def test_other_failures_keep_their_names() -> None:
    with pytest.raises(torch.OutOfMemoryError, match="8 GiB"), named_failure():
        raise torch.OutOfMemoryError("8 GiB")
