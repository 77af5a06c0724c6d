"""Training: a tiny run that is killed and resumed, its loss, its schedule and its budget."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from filelock import FileLock
from skimage import data as photographs

from isorate.cli import main
from isorate.codecs.distortion import MS_SSIM_SCALE, distortion, squared_error
from isorate.codecs.learned.model.precision import in_bfloat16
from isorate.codecs.learned.tools.budget import WARM_UP_STEPS, Budget, measure
from isorate.codecs.learned.training.checkpoint import newest_checkpoint, read_checkpoint
from isorate.codecs.learned.training.folder import LOCK, held
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.loss import bits_per_pixel, objective
from isorate.codecs.learned.training.schedule import wsd
from isorate.codecs.learned.training.settings import TrainSettings, read_settings
from isorate.errors import UsageError
from isorate.metrics import ms_ssim


def start(config: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "isorate", "learned", "train", str(config), "--out", str(out), *more]
    environment = {**os.environ, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_from_photographs_to_weights_by_the_command_line(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, weights, golden = tmp_path / "run", tmp_path / "tiny.safetensors", tmp_path / "golden"
    valid = str(config.parent / "valid")

    def said(*words: object) -> str:
        assert main(["learned", *map(str, words)]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    assert said("pack", tmp_path / "pack", config.parent / "sources", "--workers", 1).strip().endswith("2 photographs")
    assert json.loads(said("pack", tmp_path / "pack", config.parent / "sources", "--json"))["photographs"] == 2
    shorter = ("--set", "total_steps=12", "--set", "curve_steps=6")
    said("train", config, "-o", run, *shorter, "--set", "validate_seconds=0.01")
    assert "SHA-256 of the content" in said("export", run, "--validation", valid, "-o", weights)
    exported = json.loads(said("export", run, "--validation", valid, "-o", weights, "--json"))
    assert exported["bytes"] == weights.stat().st_size
    assert "all streams hold" in said("golden", "--out", golden, "--weights", weights)
    assert json.loads(said("golden", "--out", golden, "--weights", weights, "--check", "--json"))["wrong"] == []
    assert "all streams hold" in said("golden", "--out", golden, "--weights", weights, "--check")
    stream = golden / "chelsea_1x65_0.0001_0.5.iso"
    assert "'refused'" in said("fuzz", stream, "--count", 20, "--weights", weights)
    words = ("card", weights, run, "--data", "two photographs", "--commit", "0123456789abcdef")
    card = said(*words)
    assert "commit `0123456789abcdef`" in card
    assert f"{weights.stat().st_size} bytes" in card
    known = json.loads(
        said("card", weights, run, "--data", "two photographs", "--commit", "0123456789abcdef", "--json")
    )
    assert (known["files"][0]["num_bytes"], known["runs"][0]["steps"]) == (weights.stat().st_size, 12)
    assert json.loads(said("fuzz", stream, "--count", 5, "--weights", weights, "--json"))["outcomes"]["refused"] > 0
    assert "over 1 photographs" in said("integer-cost", run, "--validation", valid)
    assert json.loads(said("integer-cost", run, "--validation", valid, "--json"))["photographs"] == 1
    stream.unlink()
    stream.write_bytes((golden / "coffee_1x1_0.0316_2.iso").read_bytes())
    assert main(["learned", "golden", "--out", str(golden), "--weights", str(weights), "--check"]) == 1


@pytest.mark.slow
def test_a_killed_and_resumed_run_gives_the_weights_of_the_uninterrupted_one(config: Path, tmp_path: Path) -> None:
    killed = start(config, tmp_path / "killed", "--max-file-mb", "1", "--set", "checkpoint_seconds=0.2")
    deadline = time.monotonic() + 120
    while newest_checkpoint(tmp_path / "killed") is None:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    interrupted_at = read_checkpoint(tmp_path / "killed")[1]["step"]
    assert 0 < interrupted_at < 60
    for name, more in (("killed", ["--max-file-mb", "1"]), ("whole", [])):
        assert main(["learned", "train", str(config), "--out", str(tmp_path / name), *more]) == 0

    expected, state = read_checkpoint(tmp_path / "whole")
    tensors, resumed_state = read_checkpoint(tmp_path / "killed")
    assert state["step"] == resumed_state["step"] == 60
    assert expected.keys() == tensors.keys()
    assert all(torch.equal(expected[name], tensors[name]) for name in expected)

    with (tmp_path / "whole" / "curve.csv").open() as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    with (tmp_path / "whole" / "validation.csv").open() as file:
        row = next(iter(csv.DictReader(file)))
    assert float(row["psnr"]) > 20
    assert row["ms_ssim"] == "nan"  # the photograph is too small for five scales


def test_steps_that_are_taken_again_are_in_the_curve_once(config: Path, tmp_path: Path) -> None:
    words = ["learned", "train", str(config), "-o", str(tmp_path), "--set", "curve_steps = 1"]
    assert main([*words, "--set", "total_steps = 3"]) == 0
    curve = tmp_path / "curve.csv"
    whole = curve.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for later in (last.replace(b"3", b"4", 1), last.replace(b"3", b"4", 1)[:9], b"\0\xff", b"5", b"\r\n"):
        curve.write_bytes(whole + later)  # as if it had been killed after its last checkpoint
        assert main([*words, "--set", "total_steps = 3"]) == 0
        assert curve.read_bytes() == whole
    curve.unlink()
    assert main([*words, "--set", "total_steps = 4"]) == 0
    curve.write_bytes(whole + b"4,9\n")
    assert main([*words, "--set", "total_steps = 4", "--resume", str(tmp_path / "step-00000003")]) == 0
    assert [line.partition(b",")[0] for line in curve.read_bytes().splitlines()][-3:] == [b"3", b"4", b"4"]


def test_two_runs_do_not_train_in_one_folder(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["learned", "train", str(config), "-o", str(tmp_path), "--set", "total_steps = 2"]
    with held(tmp_path):
        assert main(words) == 2
    assert "another process is training there" in capsys.readouterr().err
    assert newest_checkpoint(tmp_path) is None
    assert main(words) == 0


def test_a_lock_that_cannot_be_had_is_told_with_its_file(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is no file, and what only another system or user refuses."""
    words = ["learned", "train", str(config), "-o", str(tmp_path), "--set", "total_steps = 2"]
    lock = tmp_path / LOCK
    refused = f"{lock}: cannot be locked ({{}}); remove it, or choose another folder with -o"
    lock.mkdir()
    assert main(words) == 2
    assert refused.format("Is a directory") in capsys.readouterr().err
    lock.rmdir()
    for error, reason in (
        (PermissionError(errno.EACCES, "Permission denied", str(lock)), "Permission denied"),
        (NotImplementedError("FileSystem does not appear to support flock."), "FileSystem does not .* flock"),
    ):
        monkeypatch.setattr(FileLock, "_acquire", Mock(side_effect=error))
        with pytest.raises(UsageError, match=reason), held(tmp_path):
            pass
    assert newest_checkpoint(tmp_path) is None


def test_a_finished_run_that_is_repeated_adds_nothing(config: Path, tmp_path: Path) -> None:
    words = ["learned", "train", str(config), "-o", str(tmp_path), "--set", "curve_steps = 1"]

    def run(steps: int) -> dict[str, bytes]:
        assert main([*words, "--set", f"total_steps = {steps}"]) == 0
        return {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def validated() -> list[str]:
        return [line.partition(",")[0] for line in (tmp_path / "validation.csv").read_text().splitlines()]

    first = run(2)
    assert validated() == ["step", "2"]
    assert run(2) == first
    run(3)
    assert validated() == ["step", "2", "3"]
    (tmp_path / "validation.csv").unlink()  # as if it had been killed before
    run(3)
    assert validated() == ["step", "3"]


def test_a_validation_after_the_last_checkpoint_counts_when_a_run_goes_on(config: Path, tmp_path: Path) -> None:
    begun = Trainer(read_settings(config), tmp_path)
    begun.run(steps=2)
    begun.record_validation()
    begun.record_validation()
    resumed = Trainer(read_settings(config, {"validate_seconds": 1000}), tmp_path)
    resumed.resume(tmp_path)
    assert resumed.validated_at == resumed.seconds > 0
    resumed.record_validation()
    path = tmp_path / "validation.csv"
    assert len(path.read_text().splitlines()) == 2
    for damaged in (path.read_bytes() + b"\0\xff\0", b"\0\xff", b""):
        path.write_bytes(damaged)
        resumed.resume(tmp_path)
        assert (resumed.validated_at, resumed.validated_step) == (0, None)


def test_rdoq_training_lowers_the_cost_of_the_same_latents(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config), tmp_path)
    trainer.warm_start()
    trainer.run(steps=8)
    x = torch.from_numpy(np.stack([trainer.sampler.crop(number) for number in range(4)])).permute(0, 3, 1, 2) / 255
    lmbda, bin_size = torch.tensor([0.03, 0.01, 0.003, 0.001]), torch.ones(4)
    with torch.no_grad():
        plain, chosen = (trainer.model(x, lmbda, bin_size, mode) for mode in ("round", "rdoq"))
    assert chosen.bits.sum() < plain.bits.sum()
    trainer.model(x, lmbda, bin_size, "rdoq").bits.sum().backward()
    gradient = trainer.model.analysis_net.down.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_distortion_is_a_mixture_of_both_measures(share: float) -> None:
    original = photographs.chelsea()[:176, :192]
    decoded = np.stack([original.clip(20, 220), original // 32 * 32 + 16])
    x, picture = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 for pixels in (original[None], decoded))
    expected = [
        share * MS_SSIM_SCALE * (1 - (ms_ssim(original, one) or 0.0))
        + (1 - share) * np.square((original - 1.0 * one) / 255).mean()
        for one in decoded
    ]
    found = distortion(picture, x.expand(2, -1, -1, -1), share)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float32), rtol=2e-4, atol=1e-8)


def test_training_for_ms_ssim_changes_the_objective_and_its_gradient(config: Path, tmp_path: Path) -> None:
    settings = read_settings(config, {"crop_size": 192, "ms_ssim_share": 1.0, "batch_size": 2, "phases": []})
    trainer = Trainer(settings, tmp_path)
    trainer.warm_start()
    x = torch.from_numpy(np.stack([trainer.sampler.crop(number) for number in range(2)])).permute(0, 3, 1, 2) / 255
    coded = trainer.model(x, torch.tensor([0.01, 0.002]), torch.ones(2))
    for recipe in (settings.train, replace(settings.train, ms_ssim_share=0.0)):
        lmbda = torch.tensor([0.01, 0.002])
        expected = distortion(coded.picture, x, recipe.ms_ssim_share) / lmbda + bits_per_pixel(coded, x)
        weight = (lmbda / 10**-2.5) ** recipe.rate_weight_power
        torch.testing.assert_close(objective(coded, x, lmbda, recipe), (expected * weight).mean())
    trainer.run(steps=2)
    assert trainer.skipped == 0


def test_validation_measures_ms_ssim_where_it_is_defined(config: Path, tmp_path: Path) -> None:
    settings = read_settings(config)
    recipe = replace(settings.train, validate_images=3)  # there are two
    trainer = Trainer(replace(settings, train=recipe, validation_data=settings.train_data), tmp_path)
    trainer.warm_start()
    trainer.record_validation()
    with (tmp_path / "validation.csv").open() as file:
        assert 0.5 < float(next(iter(csv.DictReader(file)))["ms_ssim"]) < 1


def test_bfloat16_convolutions_change_a_pass_only_slightly(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config), tmp_path)
    trainer.warm_start()
    x = torch.from_numpy(np.stack([trainer.sampler.crop(number) for number in range(4)])).permute(0, 3, 1, 2) / 255
    lmbda, bin_size = torch.tensor([0.03, 0.01, 0.003, 0.001]), torch.ones(4)
    results = []
    for fast in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
            coded = trainer.model(x, lmbda, bin_size)
            results.append((bits_per_pixel(coded, x), squared_error(coded.picture, x)))
    for exact, near in zip(*results, strict=True):
        torch.testing.assert_close(near, exact, rtol=0.03, atol=0)


def test_the_integers_grids_are_not_trained_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_bfloat16("bf16", torch.device("cpu"), fake_quantize=False)
    assert not in_bfloat16("fp32", torch.device("cpu"), fake_quantize=False)
    assert not in_bfloat16("auto", torch.device("cpu"), fake_quantize=True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert in_bfloat16("auto", torch.device("cuda"), fake_quantize=True), "a GPU keeps the priors alone in fp32"
    with pytest.raises(UsageError, match="fake_quantize needs"):
        TrainSettings(total_steps=1, precision="bf16", fake_quantize=True)


def test_a_step_with_a_non_finite_loss_changes_nothing(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config), tmp_path)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    with torch.no_grad():
        trainer.model.synthesis_net.leave.v[0, 0] = torch.nan
        before["synthesis_net.leave.v"][0, 0] = torch.nan
    trainer._train_step(trainer.model, torch.rand(4, 3, 64, 64))
    assert trainer.skipped == 1
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter, before[name], rtol=0, atol=0, equal_nan=True)


def test_schedule_warms_up_holds_and_decays_to_zero() -> None:
    assert wsd(0.0, 0, 10, 0.4) == pytest.approx(0.1)
    assert wsd(0.5, 100, 10, 0.4) == 1.0
    assert 0 < wsd(0.9, 100, 10, 0.4) < wsd(0.7, 100, 10, 0.4) < 1
    assert wsd(1.0, 100, 10, 0.4) == 0.0


def test_the_budget_counts_crops_and_names_operators(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["learned", "budget", str(config), "--steps", "1", "--json"]) == 0
    budget = Budget(**json.loads(capsys.readouterr().out))
    assert budget.crops == pytest.approx(4 / budget.seconds)
    assert budget.megapixels == pytest.approx(4 * 64**2 / 1e6 / budget.seconds)
    assert "convolution_backward" in budget.operators
    monkeypatch.setattr("isorate.codecs.learned.tools.budget.measure", lambda settings, steps: budget)
    assert main(["learned", "budget", str(config), "--steps", "1"]) == 0
    said = capsys.readouterr().out
    assert "convolution_backward" in said
    assert f"{1e3 * budget.seconds:.0f} ms a step, {budget.crops:.1f} crops/s" in said


def test_the_budget_is_of_the_steps_asked_for_however_short_the_recipe_is(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    step = Trainer._train_step

    def counted(trainer: Trainer, network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        taken.append(x.shape[0])
        return step(trainer, network, x)

    monkeypatch.setattr(Trainer, "_train_step", counted)
    monkeypatch.setattr(Trainer, "record_validation", lambda trainer: pytest.fail("no part of a step"))
    for length in ({"total_steps": 2}, {"total_steps": 0, "total_seconds": 1e-3}):
        settings = read_settings(config, {**length, "phases": [{"start": 0, "batch_size": 3}], "validate_seconds": 0})
        budget = measure(settings, 1)
        assert budget.crops == pytest.approx(3 / budget.seconds)
        assert taken == [3] * (WARM_UP_STEPS + 1 + 1)
        taken.clear()
