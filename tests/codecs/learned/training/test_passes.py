"""Steps whose host runs ahead of the device, and steps by CUDA graphs, as far as a CPU can show."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from skimage import data as photographs

from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.training.distributed import Place
from isorate.codecs.learned.training.graph import EAGER_STEPS, GraphError, RecordedPass, records
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.numerics import numerics
from isorate.codecs.learned.training.optimizers import optimizer_tensors
from isorate.codecs.learned.training.pack import pack
from isorate.codecs.learned.training.settings import RunSettings, TrainSettings
from isorate.errors import MetricUnavailableError

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
MODEL = ModelConfig(
    fine_channels=24,
    coarse_channels=32,
    latent_channels=32,
    hyper_channels=8,
    encoder_coarse_blocks=0,
    decoder_coarse_blocks=1,
    prior_channels=16,
)
RECIPE = TrainSettings(total_steps=20, batch_size=4, crop_size=64, precondition_every=5, warm_start_crops=32)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> RunSettings:
    folder = tmp_path_factory.mktemp("passes")
    (folder / "sources").mkdir()
    PillowImage.fromarray(photographs.astronaut()[:200, :200]).save(folder / "sources" / "astronaut.png")
    pack(folder / "pack", [folder / "sources"])
    return RunSettings(MODEL, RECIPE, folder / "pack", None)


def ahead(settings: RunSettings, folder: Path) -> Trainer:
    """Return a trainer that decides nothing on the host, as on a GPU."""
    trainer = Trainer(settings, folder)
    trainer.place = replace(trainer.place, runs_ahead=True)
    trainer.warm_start()
    return trainer


def state(trainer: Trainer) -> dict[str, torch.Tensor]:
    tensors = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    return tensors | {n: t.clone() for n, t in optimizer_tensors(trainer.optimizers, trainer.model).items()}


def test_a_host_that_runs_ahead_learns_the_same(settings: RunSettings, tmp_path: Path) -> None:
    asking = Trainer(settings, tmp_path / "asking")
    asking.warm_start()
    running = ahead(settings, tmp_path / "running")
    for trainer in (asking, running):
        trainer.run(steps=6)
    expected, found = state(asking), state(running)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-7)


def test_a_gradient_that_is_not_finite_changes_nothing_where_the_host_does_not_know(
    settings: RunSettings, tmp_path: Path
) -> None:
    still = replace(settings, train=replace(RECIPE, precondition_every=1000))  # bases turn by what is known already
    trainer = ahead(still, tmp_path)
    trainer.run(steps=3)
    before = state(trainer)
    broken = torch.full((4, 3, 64, 64), torch.nan)
    told = trainer._train_step(trainer.model, broken)
    assert told[-1] == 1
    assert trainer.skipped == 1
    for name, tensor in state(trainer).items():
        if not name.endswith("@step"):
            torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    trainer.run(steps=2)
    trainer.save()
    assert trainer.skipped == 1
    again = Trainer(settings, tmp_path)
    again.resume(tmp_path)
    assert again.skipped == 1


def test_graphs_are_for_one_gpu_and_can_be_declined() -> None:
    one = Place(0, 1, CUDA, runs_ahead=True)
    assert records(one, RECIPE)
    assert not records(one, replace(RECIPE, graphs=False))
    assert not records(one, replace(RECIPE, ms_ssim_share=1.0, crop_size=192))
    assert not records(replace(one, ranks=2), RECIPE)
    assert not records(replace(one, device=CPU), RECIPE)


@contextmanager
def fake_recording(graph: object) -> Iterator[None]:
    yield


def imitate_graphs(monkeypatch: pytest.MonkeyPatch, recorded: list[RecordedPass]) -> None:
    """Let a graph that is launched do its passes anew on the recording's own inputs, with the one generator."""
    generator = torch.Generator()

    class Graph:
        def replay(self) -> None:
            (step,) = recorded
            assert step._inputs is not None
            assert step._told is not None
            step._told.copy_(step._learn(network_of[0], *step._inputs, generator))

    network_of: list[torch.nn.Module] = []
    record = RecordedPass._record

    def noting(step: RecordedPass, network: torch.nn.Module, x: torch.Tensor) -> torch.cuda.CUDAGraph:
        recorded.append(step)
        network_of.append(network)
        return record(step, network, x)

    class Stream:
        def wait_stream(self, other: object) -> None: ...

    monkeypatch.setattr(RecordedPass, "_record", noting)
    monkeypatch.setattr(Place, "generator", lambda place: generator)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", fake_recording)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr("isorate.codecs.learned.training.loop.records", lambda place, recipe: recipe.graphs)


def test_steps_by_a_graph_are_those_without(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ahead(replace(settings, train=replace(RECIPE, graphs=False)), tmp_path / "plain")
    plain.run(steps=EAGER_STEPS + 3)
    recorded: list[RecordedPass] = []
    imitate_graphs(monkeypatch, recorded)
    graphed = ahead(settings, tmp_path / "graphed")
    graphed.run(steps=EAGER_STEPS + 3)
    assert len(recorded) == 1
    expected = state(plain)
    for name, tensor in state(graphed).items():
        assert torch.equal(tensor, expected[name]), name


def test_a_trial_records_each_phase_of_whole_steps(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[RecordedPass] = []
    imitate_graphs(monkeypatch, recorded)
    trainer = ahead(replace(settings, train=replace(RECIPE, prior_steps=100)), tmp_path)
    trainer.try_steps()
    assert [step.whole for step in recorded] == [True]


def test_a_recording_that_fails_is_named_with_its_cause(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def failing(graph: object) -> Iterator[None]:
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nand so on")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")
        yield

    imitate_graphs(monkeypatch, [])
    monkeypatch.setattr(torch.cuda, "graph", failing)
    trainer = ahead(settings, tmp_path)
    with pytest.raises(GraphError, match=r"recorded \(operation not permitted .*capturing\): --set graphs=false"):
        trainer.try_steps()


def test_the_switches_of_a_gpu_are_set_and_set_back() -> None:
    cudnn = torch.backends.cudnn

    def switches() -> tuple[bool, bool, str]:
        return cudnn.allow_tf32, cudnn.benchmark, torch.get_float32_matmul_precision()

    before = switches()
    with numerics(CUDA, exact=True, tuned=True):
        assert switches() == (False, True, "highest")
        with numerics(CUDA, exact=False, tuned=False):
            assert switches() == (True, False, "high")
        with numerics(CPU, exact=False, tuned=False):
            assert switches() == (False, True, "highest")
    assert switches() == before


def test_the_curve_is_the_mean_of_finite_steps(settings: RunSettings, tmp_path: Path) -> None:
    trainer = ahead(replace(settings, train=replace(RECIPE, curve_steps=4)), tmp_path)
    told = [trainer._train_step(trainer.model, torch.rand(4, 3, 64, 64)) for _ in range(3)]
    told.append(torch.tensor([torch.nan, torch.nan, torch.nan, 1.0]))
    trainer._record_curve(told, 1.0, type("Bar", (), {"set_postfix_str": lambda self, text: None})())
    row = (tmp_path / "curve.csv").read_text().splitlines()[1].split(",")
    assert float(row[2]) == pytest.approx(np.mean([t[0].item() for t in told[:3]]), abs=1e-4)


def test_a_trial_validates_too(settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(*_: object) -> None:
        raise MetricUnavailableError("pip install pytorch-msssim")

    monkeypatch.setattr("isorate.codecs.learned.training.loop.validate", unavailable)
    Trainer(settings, tmp_path).try_steps()
    with pytest.raises(MetricUnavailableError, match="pytorch-msssim"):
        Trainer(replace(settings, validation_data=settings.train_data), tmp_path).try_steps()
    assert not list(tmp_path.iterdir())
