"""The mechanisms of a fit, on small pictures."""

import numpy as np
import pytest
import torch

from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.bitstream.starts import PLAIN
from isorate.codecs.overfitted.fitting import fit as phases
from isorate.codecs.overfitted.fitting.fit import Fit, image_tensor
from isorate.codecs.overfitted.fitting.goal import Goal
from isorate.codecs.overfitted.fitting.optimizers import Optimizers
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.codecs.overfitted.model.structure import parameters
from isorate.codecs.overfitted.tools import starting_weights
from isorate.image import Image

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def photo() -> Image:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[40:104, 180:244])


def a_fit(photo: Image, goal: Goal, steps: int = 1000, start: int = 2) -> Fit:
    return Fit(image_tensor(photo, CPU), Settings(steps=steps, start=start), goal)


def test_every_part_of_the_nets_learns(photo: Image) -> None:
    fit = a_fit(photo, Goal(0.001), steps=40, start=PLAIN)
    before = {name: value.detach().clone() for name, value in fit.state.params.items()}
    for step in range(12):
        fit.descend_once(step / 12, 1.0, fit)
    still = [name for name, value in fit.state.params.items() if torch.equal(value, before[name])]
    assert still == []


def test_the_warm_up_keeps_the_best_start(photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    costs: list[float] = []

    class Noted(Optimizers):
        def __init__(self, *arguments: object) -> None:
            measured = fit.state.measure()
            costs.append(measured.error + 0.001 * measured.bits / fit.state.num_pixels)
            super().__init__(*arguments)  # type: ignore[arg-type]

    fit = a_fit(photo, Goal(0.001), steps=600, start=PLAIN)
    ends = []
    monkeypatch.setattr(phases, "Optimizers", Noted)
    for _ in fit._warm_up():
        measured = fit.state.measure()
        ends.append(measured.error + 0.001 * measured.bits / fit.state.num_pixels)
    steps = len(ends) // 3
    assert steps == phases.LEAST_WARM_UP + 1
    assert costs[-1] == min(ends[steps - 1 :: steps])
    assert len({*ends[steps - 1 :: steps]}) == 3


def test_a_given_lambda_stays(photo: Image) -> None:
    fit = a_fit(photo, Goal(0.002), steps=12)
    assert fit.run().lmbda == 0.002


def test_lambda_waits_and_then_follows_the_size(photo: Image) -> None:
    fit = a_fit(photo, Goal(0.002, num_bytes=100.0), steps=100)
    fit.descend_once(0.1, 1.0, fit)
    assert fit.goal.lmbda == 0.002
    fit.descend_once(0.9, 1.0, fit)
    assert fit.goal.lmbda > 0.002


def test_a_fit_gives_about_the_size_that_was_asked_for(photo: Image) -> None:
    wanted = 1100.0
    fitted = a_fit(photo, Goal.of_size(wanted, 64 * 64), steps=150).run()
    assert len(fitted.data) == pytest.approx(wanted, rel=0.1)
    assert stream.read(fitted.data).start == 2


def test_the_shipped_start_is_worth_more_than_steps(photo: Image) -> None:
    costs = []
    for start in (PLAIN, 2):
        fit = a_fit(photo, Goal(0.003), steps=60, start=start)
        fit.train()
        measured = fit.state.measure()
        costs.append(measured.error + 0.003 * measured.bits / fit.state.num_pixels)
    assert costs[1] < 0.9 * costs[0]


def test_starting_weights_are_the_nets_that_serve_other_pictures_best(
    photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting_weights, "TRIAL_STEPS", 40)
    monkeypatch.setattr(starting_weights, "CANDIDATE_STEPS", 60)
    image = image_tensor(photo, CPU)
    trained = starting_weights.candidate(image, 0.003, 0)
    untrained = {name: value.detach() for name, value in a_fit(photo, Goal(0.003), start=PLAIN).state.params.items()}
    mirrored = [image.flip(2).contiguous()]
    assert starting_weights.score(trained, mirrored, 0.003) < starting_weights.score(untrained, mirrored, 0.003)
    stored = starting_weights._storable(trained)
    assert {name: tuple(value.shape) for name, value in stored.items()} == parameters()
    assert torch.equal(stored["arm.out.bias"] * 1024, torch.round(stored["arm.out.bias"] * 1024))
