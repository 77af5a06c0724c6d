"""Training: settings, data, optimizer, schedule, checkpoints, and a tiny run that is killed and resumed."""

import csv
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from skimage import data as photographs

from isorate.cli import main
from isorate.codecs.distortion import MS_SSIM_SCALE, distortion, squared_error
from isorate.codecs.learned.bitstream.weights import load_weights, save_weights, weights_path
from isorate.codecs.learned.coding.network import load_network
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.precision import in_bfloat16
from isorate.codecs.learned.tools.budget import WARM_UP_STEPS, Budget, measure
from isorate.codecs.learned.tools.card import facts, markdown
from isorate.codecs.learned.tools.export import weights_of
from isorate.codecs.learned.tools.session import Session, possible, run_session
from isorate.codecs.learned.training.checkpoint import newest_checkpoint, read_checkpoint, write_checkpoint
from isorate.codecs.learned.training.data import CropSampler, Pack
from isorate.codecs.learned.training.graph import GraphError
from isorate.codecs.learned.training.grow import grow
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.loss import bits_per_pixel, objective
from isorate.codecs.learned.training.pack import pack
from isorate.codecs.learned.training.schedule import wsd
from isorate.codecs.learned.training.settings import TrainSettings, read_settings
from isorate.codecs.learned.training.soap import Soap
from isorate.errors import DatasetError, UsageError
from isorate.metrics import ms_ssim

CONFIGS = Path(sys.modules["isorate.codecs.learned"].__path__[0]) / "configs"
CONFIG = """
[model]
name = "tiny"
fine_channels = 24
coarse_channels = 32
latent_channels = 32
hyper_channels = 8
encoder_coarse_blocks = 0
decoder_coarse_blocks = 1
prior_channels = 16

[train]
total_steps = {steps}
batch_size = 4
crop_size = 64
curve_steps = 15
warmup_steps = 5
precondition_every = 5
ema = 0.95
validate_lmbda = [-2.0]
checkpoint_seconds = 1
warm_start_crops = 32

[[train.phases]]
start = 0.8
crop_size = 128
batch_size = 2
quantization = "round"
frozen_encoder = true
fake_quantize = true

[data]
train = "{train}"
validation = "{validation}"
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    sources = folder / "sources"
    sources.mkdir()
    for name in ("astronaut", "coffee"):
        PillowImage.fromarray(getattr(photographs, name)()).save(sources / f"{name}.png")
    assert pack(folder / "train", [sources]) == 2
    archive = folder / "valid.tar"
    with tarfile.open(archive, "w") as tar:
        buffer = io.BytesIO()
        PillowImage.fromarray(photographs.chelsea()[:100, :90]).save(buffer, "PNG")
        member = tarfile.TarInfo("chelsea.png")
        member.size = len(buffer.getvalue())
        tar.addfile(member, io.BytesIO(buffer.getvalue()))
    assert pack(folder / "valid", [archive]) == 1
    path = folder / "tiny.toml"
    path.write_text(CONFIG.format(steps=60, train=folder / "train", validation=folder / "valid"))
    return path


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


def test_a_compact_checkpoint_resumes_with_a_new_warm_up(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config), tmp_path, compact=True)
    trainer.warm_start()
    trainer.run(steps=3)
    tensors, _ = read_checkpoint(tmp_path)
    assert all(name.startswith("ema.") for name in tensors)
    assert sum(t.nbytes for t in tensors.values()) < 2.5 * sum(p.numel() for p in trainer.model.parameters())
    other = Trainer(read_settings(config), tmp_path)
    other.resume(tmp_path)
    assert (other.step, other.warm_from) == (3, 3)
    for name, parameter in other.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), trainer.average.shadow[name], rtol=1e-3, atol=1e-6)
    other.run(steps=1)
    assert other.step == 4


def test_the_model_card_states_digest_steps_and_operating_points(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(read_settings(config, {"total_steps": 2, "curve_steps": 1}), tmp_path)
    trainer.run()
    trainer.record_validation()
    monkeypatch.setattr("isorate.codecs.learned.bitstream.weights.LARGEST_FILE", 60_000)
    files = save_weights(weights_of(trainer.model, {}, {}), tmp_path / "tiny.safetensors")
    known = facts(files[0], [tmp_path], "two photographs", "one core", "abcdef")
    card = markdown(known)
    assert known.runs[0].validation[0]["log10_lmbda"] == -2
    assert known.runs[0].steps == 2
    assert len(files) > 1
    for path in files:
        assert f"of `{path.name}`: `{hashlib.sha256(path.read_bytes()).hexdigest()}`, {path.stat().st_size}" in card
    assert "2 of 4 crops of 64² in" in card
    assert "| 1 | -2.0 | " in card
    assert card.count("\n| 1 | 1 |") == 1


def test_a_card_is_refused_for_a_run_that_did_not_make_the_weights(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config, {"total_steps": 2, "curve_steps": 1}), tmp_path)
    trainer.run()
    trainer.record_validation()

    def card_of(model: ModelConfig, training: dict[str, object]) -> str:
        weights = weights_of(ConditionalAutoencoder(model), {}, training)
        (path,) = save_weights(weights, tmp_path / "other.safetensors")
        return markdown(facts(path, [tmp_path], "two photographs", "one core", "abcdef"))

    of_run = trainer.settings.model
    assert "2 of 4 crops" in card_of(of_run, {"step": 2, "seconds": trainer.seconds})
    with pytest.raises(UsageError, match=r"was not made by .*: its fine_channels is 32, the run's 24"):
        card_of(replace(of_run, fine_channels=32), {})
    with pytest.raises(UsageError, match="its name is other, the run's tiny"):
        card_of(replace(of_run, name="other"), {})
    with pytest.raises(UsageError, match="its step is 1, the run's 2"):
        card_of(of_run, {"step": 1, "seconds": trainer.seconds})


def test_a_card_tells_each_point_once_where_a_validation_was_appended_twice(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config, {"total_steps": 1, "curve_steps": 1}), tmp_path)
    trainer.run()
    trainer.record_validation()
    header, row = (tmp_path / "validation.csv").read_text().splitlines()
    (tmp_path / "validation.csv").write_text(f"{header}\n{row}\n{row}\n")
    (weights,) = save_weights(weights_of(trainer.model, {}, {}), tmp_path / "tiny.safetensors")
    assert len(facts(weights, [tmp_path], "two photographs", "one core", "abcdef").runs[0].validation) == 1


@pytest.mark.parametrize("name", ["validation.csv", "curve.csv"])
@pytest.mark.parametrize("content", ["", "step,loss\n", "step,loss\n2,x\n", "\0\n\0"])
def test_a_card_names_the_curve_that_it_cannot_read(config: Path, tmp_path: Path, name: str, content: str) -> None:
    trainer = Trainer(read_settings(config, {"total_steps": 1, "curve_steps": 1}), tmp_path)
    trainer.run()
    trainer.record_validation()
    (tmp_path / name).write_text(content)
    (weights,) = save_weights(weights_of(trainer.model, {}, {}), tmp_path / "tiny.safetensors")
    with pytest.raises(UsageError, match=rf"{name}: no rows of a training run"):
        facts(weights, [tmp_path], "two photographs", "one core", "abcdef")


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


@pytest.mark.parametrize("resumed", [True, False])
def test_a_run_of_another_model_is_not_resumed(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], resumed: bool
) -> None:
    run = tmp_path / "run"
    Trainer(read_settings(config), run).save()
    wide = grown(config, tmp_path, fine_channels=32)
    words = ["-o", str(tmp_path / "next"), "--resume", str(run)] if resumed else ["-o", str(run)]
    assert main(["learned", "train", str(wide), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is of another model: its fine_channels is 24, here it is 32; give the configuration that" in line
    renamed = tmp_path / "renamed.toml"
    renamed.write_text(config.read_text().replace('name = "tiny"', 'name = "same"'))
    Trainer(read_settings(renamed), tmp_path).resume(run)


def test_a_run_can_start_from_a_shallower_model_and_not_from_a_wider_one(config: Path, tmp_path: Path) -> None:
    trainer = Trainer(read_settings(config), tmp_path / "shallow")
    trainer.warm_start()
    trainer.save()
    text = config.read_text()
    deeper, wider = tmp_path / "deeper.toml", tmp_path / "wider.toml"
    deeper.write_text(text.replace("decoder_coarse_blocks = 1", "decoder_coarse_blocks = 3"))
    wider.write_text(text.replace("prior_channels = 16", "prior_channels = 32"))
    other = Trainer(read_settings(deeper), tmp_path / "deeper")
    other.start_from(tmp_path / "shallow")
    x, lmbda = torch.rand(1, 3, 64, 64), torch.tensor([0.01])
    with torch.no_grad():
        one, two = (t.model(x, lmbda, torch.ones(1)) for t in (trainer, other))
    torch.testing.assert_close(one.picture, two.picture)
    with pytest.raises(UsageError, match="another model"):
        Trainer(read_settings(wider), tmp_path / "wider").start_from(tmp_path / "shallow")


def grown(config: Path, folder: Path, **channels: int) -> Path:
    text = config.read_text()
    for key, value in channels.items():
        text = re.sub(rf"{key} = \d+\n", "", text).replace("[model]\n", f"[model]\n{key} = {value}\n")
    path = folder / "grown.toml"
    path.write_text(text)
    return path


def test_a_grown_model_makes_the_same_picture_and_sees_more(config: Path, tmp_path: Path) -> None:
    small = Trainer(read_settings(config), tmp_path / "small")
    small.warm_start()
    small.run(steps=8)
    path = grown(config, tmp_path, coarse_channels=64, latent_channels=64, coarse_hidden=32, step_channels=24)
    large = Trainer(read_settings(path), tmp_path / "large")
    large.start_from(tmp_path / "small")
    small.model.load_state_dict(small.average.shadow)
    crops = np.stack([small.sampler.crop(number) for number in range(4)])
    x = torch.from_numpy(crops).permute(0, 3, 1, 2) / 255
    lmbda, bin_size = torch.tensor([0.03, 0.01, 0.003, 0.001]), torch.ones(4)
    with torch.no_grad():
        one, two = (t.model(x, lmbda, bin_size) for t in (small, large))
        old, new = small.model.analysis(x, lmbda), large.model.analysis(x, lmbda)
    torch.testing.assert_close(two.picture, one.picture, atol=1e-5, rtol=0)
    torch.testing.assert_close(two.hyper_bits, one.hyper_bits, rtol=1e-3, atol=0)
    assert (two.latent_bits >= one.latent_bits - 0.01).all()
    kept = torch.arange(64).view(4, 16)[:, :8].flatten()
    torch.testing.assert_close(new[:, kept], old, atol=1e-4, rtol=1e-4)
    added = new[:, torch.arange(64).view(4, 16)[:, 8:].flatten()]
    assert added.std(dim=(0, 2, 3)).min() > 0
    large.run(steps=2)
    with torch.no_grad():
        assert large.model.synthesis_net.up.weight[:, 32:].abs().max() > 0, "what reads the new channels must learn"


def test_a_start_is_made_on_the_cpu_wherever_the_model_is(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Trainer(read_settings(config), tmp_path / "source")
    source.warm_start()
    source.save()
    given = []

    def seen(small: ConditionalAutoencoder, large: ConditionalAutoencoder, images: torch.Tensor) -> None:
        given.extend([images, *small.parameters(), *large.parameters()])
        grow(small, large, images)

    monkeypatch.setattr("isorate.codecs.learned.training.loop.grow", seen)
    elsewhere = Trainer(read_settings(config), tmp_path / "elsewhere")
    elsewhere.place = replace(elsewhere.place, device=torch.device("meta"))
    elsewhere.model.to("meta")
    elsewhere.start_from(tmp_path / "source")
    assert len(given) > 3
    assert {tensor.device.type for tensor in given} == {"cpu"}
    assert {tensor.device.type for tensor in elsewhere.average.shadow.values()} == {"meta"}
    elsewhere.warm_start()


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ({"step_channels": 8}, "its step_channels is 16, here it is 8"),
        ({"latent_channels": 16}, "its latent_channels is 32, here it is 16"),
        ({"coarse_channels": 64, "latent_channels": 48, "coarse_hidden": 32}, "as many coarse channels as latent"),
        ({"coarse_channels": 64, "latent_channels": 64}, "its coarse_hidden is 32, here it is 64"),
        ({"fine_channels": 32}, "its fine_channels is 24, here it is 32"),
    ],
)
def test_a_model_grows_in_certain_ways_only(
    config: Path, tmp_path: Path, channels: dict[str, int], message: str
) -> None:
    small = Trainer(read_settings(config), tmp_path / "small")
    small.save()
    large = Trainer(read_settings(grown(config, tmp_path, **channels)), tmp_path / "large")
    with pytest.raises(UsageError, match=message):
        large.start_from(tmp_path / "small")


@pytest.mark.parametrize("name", ["small", "base"])
def test_a_finish_is_of_its_models_shape(name: str) -> None:
    run, finish = (read_settings(CONFIGS / f"{name}{suffix}.toml") for suffix in ("", "-finish"))
    assert run.model == finish.model
    assert finish.train.frozen_encoder
    assert finish.train.quantization == "rdoq"


def test_base_starts_from_the_landed_weights_of_small() -> None:
    table = tomllib.loads((CONFIGS / "base.toml").read_text())["model"]
    small, base = load_network(weights_path("small")).model, ConditionalAutoencoder(ModelConfig.from_dict(table))
    photo = torch.from_numpy(photographs.astronaut()).permute(2, 0, 1)[None] / 255
    crops = torch.cat([photo[..., top : top + 128, left : left + 128] for top in (0, 200) for left in (0, 150, 300)])
    grow(small, base, crops)
    with torch.no_grad():
        one, two = (model(crops[:1], torch.tensor([0.003]), torch.ones(1)).picture for model in (small, base))
    torch.testing.assert_close(two, one, atol=1e-3, rtol=0)


def test_a_wider_latent_prior_says_the_same_at_first_and_learns(config: Path, tmp_path: Path) -> None:
    small = Trainer(read_settings(config), tmp_path / "small")
    small.warm_start()
    small.run(steps=4)
    wide = Trainer(read_settings(grown(config, tmp_path, step_channels=40)), tmp_path / "wide")
    wide.start_from(tmp_path / "small")
    small.model.load_state_dict(small.average.shadow)
    x, lmbda = torch.rand(1, 3, 64, 64), torch.tensor([0.003])
    with torch.no_grad():
        one, two = (t.model(x, lmbda, torch.ones(1)) for t in (small, wide))
    torch.testing.assert_close(two.bits, one.bits)
    leaving = wide.model.latent_prior.get_submodule("nets.0.leave").get_parameter("weight")
    assert not leaving[:, 16:].any()
    wide.run(steps=2)
    assert leaving[:, 16:].abs().max() > 0


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


@pytest.mark.parametrize(("share", "crop"), [(1.5, 192), (-0.1, 192), (1.0, 128)])
def test_an_impossible_share_of_ms_ssim_is_refused(share: float, crop: int) -> None:
    with pytest.raises(UsageError, match=r"ms_ssim_share is|MS-SSIM needs 161"):
        TrainSettings(total_steps=1, ms_ssim_share=share, crop_size=crop)


def test_validation_measures_ms_ssim_where_it_is_defined(config: Path, tmp_path: Path) -> None:
    settings = read_settings(config)
    recipe = replace(settings.train, validate_images=3)  # there are two
    trainer = Trainer(replace(settings, train=recipe, validation_data=settings.train_data), tmp_path)
    trainer.warm_start()
    trainer.record_validation()
    with (tmp_path / "validation.csv").open() as file:
        assert 0.5 < float(next(iter(csv.DictReader(file)))["ms_ssim"]) < 1


def test_a_run_starts_from_a_weights_file(tmp_path: Path, config: Path) -> None:
    weights = Path(__file__).parents[3] / "data" / "learned" / "tiny.safetensors"
    network = load_network(weights)
    model = "\n".join(f"{key} = {json.dumps(value)}" for key, value in asdict(network.config).items())
    path = tmp_path / "again.toml"
    recipe = config.read_text()
    path.write_text(f"[model]\n{model}\n{recipe[recipe.index('[train]') :]}")
    trainer = Trainer(read_settings(path), tmp_path / "again")
    trainer.start_from(weights)
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter.detach(), network.model.state_dict()[name], rtol=0, atol=0)
    assert trainer.prior_steps == 0, "trained priors need no steps of their own"
    trainer.run(steps=2)
    assert trainer.skipped == 0


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train", "no valid TOML"),
        ("[trains]", "unknown keys trains"),
        ("[train]\ntotal_steps = 1\nspeed = 2\n[data]\ntrain = 'x'", "unknown keys speed"),
        ("[train]\n[data]\ntrain = 'x'", "exactly one of total_steps and total_seconds"),
        ("[train]\ntotal_steps = 1", "must name the pack"),
        ("[train]\ntotal_steps = 1\ncrop_size = 100\n[data]\ntrain = 'x'", "multiple of 64"),
        ("[train]\ntotal_steps = 1\n[[train.phases]]\ncrop_size = 64\n[data]\ntrain = 'x'", "start is missing"),
        ("[train]\ntotal_steps = 1\n[[train.phases]]\nstart = 0\nseed = 1\n[data]\ntrain = 'x'", "unknown keys seed"),
        ("[train]\ntotal_steps = 1\noptimizer = 'sgd'\n[data]\ntrain = 'x'", "known are soap and adam"),
        ("train = 3", "bad.toml:1: train is 3; a table is needed"),
        ("[train]\ntotal_steps = 1\n[data]\ntrain = 3", r"bad.toml:4: data\.train is 3; it must be a text"),
        (
            "[train]\ntotal_steps = 1\n[data]\ntrain = 'x'\n[model]\nfine_channels = 0",
            r"bad.toml: model\.fine_channels is 0",
        ),
    ],
)
def test_impossible_configurations_are_usage_errors(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_settings(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("learning_rate = nan", "learning_rate is nan; it must be a number from 0 to 1"),
        ("learning_rate = -0.001", "learning_rate is -0.001; it must be a number from 0 to 1"),
        ("ema = nan", "ema is nan; it must be a number from 0 below 1"),
        ("bin_octaves = nan", "bin_octaves is nan; it must be a number from 0 to 8"),
        ("clip = -1.0", "clip is -1.0; it must be a number above 0 to 1e+15"),
        ("clip = inf", "clip is inf; it must be a number above 0 to 1e+15"),
        ("checkpoint_seconds = inf", "checkpoint_seconds is inf; it must be a number from 0 to 1e+15"),
        ("total_steps = 100_000_000", "total_steps is 100000000; it must be a whole number from 0 to 99999999"),
        ("batch_size = 0", "batch_size is 0; it must be a whole number from 1 to 1000000"),
        ("batch_size = 2.5", "batch_size is 2.5; it must be a whole number from 1 to 1000000"),
        ("batch_size = 'x'", "batch_size is 'x'; it must be a whole number from 1 to 1000000"),
        ("batch_size = true", "batch_size is True; it must be a whole number from 1 to 1000000"),
        ("crop_size = '64'", "crop_size is '64'; it must be a whole number from 64 to 8192 that is a multiple of 64"),
        ("curve_steps = 0", "curve_steps is 0; it must be a whole number from 1 to 1000000"),
        ("workers = -1", "workers is -1; it must be a whole number from 0 to 1024"),
        ("seed = -1", "seed is -1; it must be a whole number from 0 to 4294967295"),
        ("smallest_scale = 0", "smallest_scale is 0; it must be a number from 0.01 to 1"),
        ("warm_start_crops = 0", "warm_start_crops is 0; it must be a whole number from 1 to 1000000"),
        ("precondition_every = 0", "precondition_every is 0; it must be a whole number from 1 to 1000000"),
        ("validate_lmbda = 3", "validate_lmbda is 3; it must be a list, each a number from -10 to 4"),
        ("resident = 1", "resident is 1; it must be true or false"),
        ("quantization = 'floor'", "quantization is 'floor'; known are round, rdoq, mixed and universal"),
        ("phases = 3", "phases is 3; it must be a list of tables: [[train.phases]]"),
        ("phases = [3]", "phases is [3]; it must be a list of tables: [[train.phases]]"),
        ("phases = [{start = 'x'}]", "phases.start is 'x'; it must be a number from 0 to 1"),
        ("phases = [{start = nan}]", "phases.start is nan; it must be a number from 0 to 1"),
        ("phases = [{start = 0.5, batch_size = -3}]", "batch_size is -3; it must be a whole number from 1 to 1000000"),
    ],
)
def test_a_value_that_the_recipe_cannot_have_is_one_line_before_the_first_step(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert main(["learned", "train", str(config), "-o", str(tmp_path / "run"), "--set", change]) == 2
    assert capsys.readouterr().err == f"isorate: {config}: train.{message}\n"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_packages_configurations_are_within_bounds(path: Path) -> None:
    assert read_settings(path).train.batch_size > 0


def test_a_missing_configuration_or_pack_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_settings(tmp_path / "none.toml")
    with pytest.raises(DatasetError, match="pack the photographs first"):
        Pack(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("what", ["truncated", "none", "a folder", "a broken tar"])
def test_a_failed_pack_leaves_the_earlier_one(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    photograph = (config.parent / "sources" / "coffee.png").read_bytes()
    if what == "truncated":
        (broken / "a.png").write_bytes(photograph)
        (broken / "b.png").write_bytes(photograph[:5000])
    elif what == "a folder":
        (broken / "b.png").mkdir()
    elif what == "a broken tar":
        broken = tmp_path / "broken.tar.gz"
        with tarfile.open(broken, "w:gz") as tar:
            tar.add(config.parent / "sources")
        broken.write_bytes(broken.read_bytes()[:200_000])
    assert pack(tmp_path / "keep", [config.parent / "valid.tar"]) == 1
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert main(["learned", "pack", str(tmp_path / "keep"), str(broken)]) == 2
    assert re.fullmatch(r"isorate: .*broken.*; (fetch|name) .*\n|isorate: b\.png .*\n", capsys.readouterr().err)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} <= {"broken"}


def test_a_pack_that_cannot_be_written_is_told(config: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"file.*: Not a directory; choose|file.*: File exists; choose"):
        pack(tmp_path / "file" / "pack", [config.parent / "valid.tar"])


def test_packs_with_points_in_their_names_are_two(config: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "v1.old", tmp_path / "v1.new"
    assert (pack(old, [config.parent / "valid.tar"]), pack(new, [config.parent / "sources"])) == (1, 2)
    assert (len(Pack(old)), len(Pack(new))) == (1, 2)
    assert (tmp_path / "v1.old.bin").stat().st_mode == (tmp_path / "v1.old.json").stat().st_mode
    for ending in ("bin", "json"):  # where they were before
        (tmp_path / f"v1.old.{ending}").rename(tmp_path / f"v1.{ending}")
    assert np.array_equal(Pack(old).image(0), photographs.chelsea()[:100, :90])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "damaged"),
        ('{"version": 1}', "damaged"),
        ('{"version": 1, "images": []}', "damaged"),
        ('{"version": 1, "images": [["chelsea.png", 0, 100]]}', "damaged"),
        ('{"version": 1, "images": [["chelsea.png", -1, 100, 90]]}', "damaged"),
        ('{"version": 1, "images": [["chelsea.png", 0, 100, 91]]}', r"has 27000 bytes, where .* names 27300"),
        ('{"version": 2}', "is of version 2, not 1"),
    ],
)
def test_a_damaged_index_of_a_pack_is_named(config: Path, tmp_path: Path, text: str, message: str) -> None:
    pack(tmp_path / "pack", [config.parent / "valid.tar"])
    (tmp_path / "pack.json").write_text(text)
    with pytest.raises(DatasetError, match=rf"pack\.(json|bin) .*{message}.*: pack again") as raised:
        Pack(tmp_path / "pack")
    assert "\n" not in str(raised.value)


def test_damaged_pixels_of_a_pack_are_named(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack(tmp_path / "pack", [config.parent / "valid.tar"])
    pixels = tmp_path / "pack.bin"
    text = re.sub('train = ".*"', f'train = "{tmp_path / "pack"}"', config.read_text())
    (tmp_path / "other.toml").write_text(text)
    for damage, message in (
        (lambda: pixels.write_bytes(pixels.read_bytes()[:-1]), "pack.bin has 26999 bytes"),
        (pixels.unlink, "pack.bin cannot be read: No such file or directory: pack again"),
    ):
        damage()
        assert main(["learned", "train", str(tmp_path / "other.toml"), "--out", str(tmp_path / "run")]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


def test_names_that_are_no_utf_8_are_packed(config: Path, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    photograph = (config.parent / "sources" / "coffee.png").read_bytes()
    try:
        (sources / os.fsdecode(b"caf\xe9.png")).write_bytes(photograph)
    except OSError:
        pytest.skip("this file system has UTF-8 names alone")
    pack(tmp_path / "pack", [sources])
    assert Pack(tmp_path / "pack").names == [os.fsdecode(b"caf\xe9.png")]


def test_crops_depend_on_seed_and_number_alone(config: Path) -> None:
    settings = read_settings(config)
    one, two = (CropSampler(Pack(settings.train_data), 64, 0.5, seed=7) for _ in range(2))
    two.batch(0, 5)
    assert np.array_equal(one.batch(3, 4), two.batch(3, 4))
    assert not np.array_equal(one.batch(3, 4), one.batch(4, 4))
    halves = [one.batch(3, 2, rank, 2) for rank in range(2)]
    assert np.array_equal(np.concatenate(halves), one.batch(3, 4))


def test_a_checkpoint_is_cut_into_small_files_and_joined_again(tmp_path: Path) -> None:
    tensors = {"large": torch.randn(1000, 700), "small": torch.randn(5), "counter": torch.tensor(3)}
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, step, tensors, {"step": step}, max_bytes=2**20, kept=2)
    found, state = read_checkpoint(tmp_path)
    assert state["step"] == 3
    assert len(list(tmp_path.iterdir())) == 2
    assert max(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) <= 2**20
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def steps_in(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-0*"))


@pytest.mark.parametrize("kept", [1, 2])
def test_the_checkpoint_just_written_stays_whatever_others_are_there(tmp_path: Path, kept: int) -> None:
    def write(step: int) -> Path:
        return write_checkpoint(tmp_path, step, {"one": torch.ones(1)}, {"step": step}, max_bytes=0, kept=kept)

    (tmp_path / "step-by-step notes").mkdir()
    for step in (100, 120):
        write(step)
    newer = steps_in(tmp_path)
    for step in (50, 60, 70):
        assert read_checkpoint(write(step))[1]["step"] == step
        assert set(newer) <= set(steps_in(tmp_path))
    assert steps_in(tmp_path) == [50, 60, 70][-kept:] + newer
    write(130)
    assert steps_in(tmp_path) == [120, 130][-kept:]
    assert (tmp_path / "step-by-step notes").is_dir()


def test_the_newest_checkpoint_is_told_by_its_number(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        path = write_checkpoint(tmp_path, step, {}, {"step": step}, max_bytes=0, kept=1)
    assert newest_checkpoint(tmp_path) == path
    assert [found.name for found in tmp_path.iterdir()] == ["step-100000000"]


def test_a_checkpoint_in_very_many_pieces_is_joined_in_order(tmp_path: Path) -> None:
    tensors = {"long": torch.arange(1100 * 10.0).view(1100, 10), "longer": torch.arange(1200 * 10.0).view(1200, 10)}
    path = write_checkpoint(tmp_path, 1, tensors, {}, max_bytes=50, kept=1)
    found, _ = read_checkpoint(path)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_no_limit_is_one_file(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, 1, {"long": torch.randn(3000, 700)}, {}, max_bytes=0, kept=1)
    assert sorted(file.name for file in path.iterdir()) == ["part-00.safetensors", "state.json"]


@pytest.fixture(scope="module")
def checkpoint(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint in several files."""
    folder = tmp_path_factory.mktemp("checkpoint")
    trainer = Trainer(read_settings(config), folder, max_file_bytes=100_000)
    trainer.run(steps=1)
    assert len(list(folder.glob("step-*/part-*"))) > 3
    return folder


def without_the_number_of_files(path: Path) -> None:
    """Make the checkpoint one of before."""
    state = json.loads((path / "state.json").read_text())
    del state["parts"]
    (path / "state.json").write_text(json.dumps(state))


def test_checkpoints_of_before_are_read(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "run")
    expected, state = read_checkpoint(tmp_path / "run")
    (path,) = (tmp_path / "run").glob("step-*")
    without_the_number_of_files(path)
    found, again = read_checkpoint(tmp_path / "run")
    assert again == state
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def lose_key(path: Path, key: str) -> None:
    state = json.loads((path / "state.json").read_text())
    del state[key]
    (path / "state.json").write_text(json.dumps(state))


def put(path: Path, **changes: object) -> None:
    state = json.loads((path / "state.json").read_text())
    (path / "state.json").write_text(json.dumps(state | changes))


def lose_averages(path: Path) -> None:
    """Leave out the files with averaged weights of a checkpoint of before, the last ones."""
    without_the_number_of_files(path)
    shards = sorted(path.glob("part-*"))
    for shard in reversed(shards[1:]):
        shard.unlink()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut file": (
        lambda path: (path / "part-01.safetensors").write_bytes((path / "part-01.safetensors").read_bytes()[:-9]),
        "part-01.safetensors cannot be read",
    ),
    "no file": (lambda path: (path / "part-01.safetensors").unlink(), "part-01.safetensors cannot be read"),
    "no last file": (lambda path: sorted(path.glob("part-*"))[-1].unlink(), ".safetensors cannot be read"),
    "no files of before": (lose_averages, "lacks ema."),
    "cut state": (lambda path: (path / "state.json").write_text('{"step": 1'), "state.json cannot be read"),
    "no state's text": (lambda path: (path / "state.json").write_bytes(b"\xff"), "state.json cannot be read"),
    "deep state": (lambda path: (path / "state.json").write_text("[" * 100_000), "state.json cannot be read"),
    "another state": (lambda path: (path / "state.json").write_text("[1]"), "state.json cannot be read"),
    "no step": (lambda path: lose_key(path, "step"), "state.json lacks 'step'"),
    "odd step": (lambda path: put(path, step="many"), "state.json has no usable 'step'"),
    "odd model": (lambda path: put(path, model={"latent_channels": 31}), "state.json has no usable 'model'"),
    "other model": (lambda path: put(path, model={}), "lacks ema."),
}


READERS = ("resume", "continue", "start", "export")
DAMAGED = [case for case in itertools.product(DAMAGE, READERS) if case != ("no step", "start")]
"""A start takes no step of it."""


@pytest.mark.parametrize(("damage", "command"), DAMAGED)
def test_a_damaged_checkpoint_is_told_in_one_line(
    config: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str, command: str
) -> None:
    run, out, weights = tmp_path / "run", tmp_path / "out", tmp_path / "out" / "w.safetensors"
    shutil.copytree(checkpoint, run)
    (path,) = run.glob("step-*")
    spoil, message = DAMAGE[damage]
    spoil(path)
    train = ["learned", "train", str(config), "--out"]
    words = {
        "resume": [*train, str(out), "--resume", str(run)],
        "continue": [*train, str(run)],
        "start": [*train, str(out), "--start-from", str(path), "--set", "total_steps=1"],
        "export": ["learned", "export", str(run), "--validation", str(config.parent / "valid"), "-o", str(weights)],
    }[command]
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "copy the checkpoint again, or remove its folder" in said
    assert said.count("\n") == 1
    assert not out.exists() or not list(out.iterdir())


def test_a_card_names_a_damaged_state(checkpoint: Path, tiny_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(checkpoint, run)
    for name in ("validation.csv", "curve.csv"):
        (run / name).touch()
    next(run.glob("step-*/state.json")).write_text("{")
    with pytest.raises(UsageError, match=r"state\.json cannot be read"):
        facts(tiny_path, [run], "two photographs", "one core", "abcdef")


def test_schedule_warms_up_holds_and_decays_to_zero() -> None:
    assert wsd(0.0, 0, 10, 0.4) == pytest.approx(0.1)
    assert wsd(0.5, 100, 10, 0.4) == 1.0
    assert 0 < wsd(0.9, 100, 10, 0.4) < wsd(0.7, 100, 10, 0.4) < 1
    assert wsd(1.0, 100, 10, 0.4) == 0.0


def test_phases_change_the_recipe_from_their_start_on(config: Path, tmp_path: Path) -> None:
    recipe = read_settings(config).train
    assert recipe.at(0.79) == recipe
    assert (recipe.at(0.8).crop_size, recipe.at(1.0).quantization) == (128, "round")
    trainer = Trainer(read_settings(config, {"total_steps": 5}), tmp_path)
    trainer.run()
    assert trainer.recipe.frozen_encoder
    assert not any(p.requires_grad for p in trainer.model.analysis_net.parameters())


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


@pytest.mark.parametrize("resident", ["false", "true"])
def test_a_session_stops_goes_on_finishes_and_exports(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], resident: str
) -> None:
    shorter = tmp_path / "train.toml"
    shorter.write_text(config.read_text().replace("total_steps = 60", f"total_steps = 8\nresident = {resident}"))
    begun = Trainer(read_settings(shorter), tmp_path / "out" / "train", compact=True)
    begun.warm_start()
    begun.run(steps=3)
    words = ["learned", "session", str(shorter), str(shorter), "-o", str(tmp_path / "out"), "--cpu"]
    assert main([*words, "--seconds", "1"]) == 0
    assert "the time is over; the same command goes on" in capsys.readouterr().out
    assert main([*words, "--seconds", "300"]) == 0
    said = capsys.readouterr().out
    assert "train: from step 3, 4 crops a step, on cpu" in said
    assert "finish: from step 0" in said
    weights = tmp_path / "out" / "tiny.safetensors"
    before = load_weights(weights).digest
    assert main([*words, "--seconds", "300"]) == 0
    assert load_weights(weights).digest == before
    assert "from step" not in capsys.readouterr().out


def test_a_session_makes_up_for_a_validation_that_it_was_killed_before(config: Path, tmp_path: Path) -> None:
    settings = read_settings(config, {"total_steps": 1})
    for name in ("train", "finish"):
        Trainer(settings, tmp_path / name, compact=True).run()
        assert not (tmp_path / name / "validation.csv").exists()
    said: list[str] = []
    assert run_session(Session(settings, settings, None, tmp_path, 300), said.append) == tmp_path / "tiny.safetensors"
    assert len(said) == 1, "nothing was trained"
    for name in ("train", "finish"):
        assert len((tmp_path / name / "validation.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("fine_channels = 24", "fine_channels = 32"), "its fine_channels is 24, here it is 32; give both the same"),
        (("/train", "/elsewhere"), "elsewhere.json is missing: pack the photographs first"),
        (("/valid", "/elsewhere"), "elsewhere.json is missing: pack the photographs first"),
    ],
)
def test_a_session_looks_at_its_last_configuration_before_it_trains(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[str, str],
    message: str,
) -> None:
    monkeypatch.setattr(Trainer, "try_steps", lambda trainer: pytest.fail("it has begun"))
    finish = tmp_path / "finish.toml"
    finish.write_text(config.read_text().replace(*change))
    assert main(["learned", "session", str(config), str(finish), "-o", str(tmp_path / "out"), "--cpu"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "out").exists()


def test_a_run_that_cannot_be_written_does_not_begin(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for begin in ("warm_start", "try_steps"):
        monkeypatch.setattr(Trainer, begin, lambda trainer: pytest.fail("it has begun"))
    file, taken = tmp_path / "file", tmp_path / "taken"
    file.write_text("not a folder")
    (taken / "tiny.safetensors").mkdir(parents=True)
    session = ["learned", "session", str(config), str(config), "--cpu", "-o"]
    for words, message in (
        (["learned", "train", str(config), "-o", str(file)], f"{file}: no folder that can be written to (File exists)"),
        ([*session, str(file)], f"{file / 'train'}: no folder that can be written to (Not a directory)"),
        ([*session, str(taken)], f"{taken / 'tiny.safetensors'} is a folder; give a file in it"),
    ):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"isorate: {message}")


def test_an_export_that_could_not_be_found_or_written_is_refused_before_its_rates_are_measured(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring = "isorate.codecs.learned.tools.export.measure_rates"
    monkeypatch.setattr(measuring, lambda weights, images: pytest.fail("it has begun"))
    Trainer(read_settings(config), tmp_path / "run").save()
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").write_text("not a folder")
    for name, message in (
        ("weird.bin", "a weights file ends in .safetensors; give weird.bin.safetensors"),
        ("run", "a weights file ends in .safetensors; give run.safetensors"),
        ("folder.safetensors", "is a folder; give a file in it, NAME.safetensors"),
        ("file/tiny.safetensors", "no folder that can be written to (File exists); choose another one with -o"),
    ):
        words = ["export", str(tmp_path / "run"), "--validation", str(config.parent / "valid")]
        assert main(["learned", *words, "-o", str(tmp_path / name)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(message)


@pytest.mark.parametrize(("mebibytes", "limit"), [("0", 0), ("3", 3 * 2**20)])
def test_no_limit_of_files_is_0_for_every_command(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mebibytes: str, limit: int
) -> None:
    given = []
    monkeypatch.setattr(
        "isorate.codecs.learned.tools.session.run_session", lambda session, say: given.append(session.max_file_bytes)
    )
    monkeypatch.setattr(Trainer, "run", lambda trainer, seconds: given.append(trainer.max_file_bytes))
    more = ["-o", str(tmp_path), "--max-file-mb", mebibytes]
    assert main(["learned", "session", str(config), str(config), "--cpu", *more]) == 0
    assert main(["learned", "train", str(config), *more]) == 0
    assert given == [limit, limit]


def test_a_session_needs_a_gpu_unless_told(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["learned", "session", str(config), str(config), "-o", str(tmp_path)]) == 2
    assert "sees no GPU here; --cpu goes on without one" in capsys.readouterr().err


def test_a_session_halves_batches(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def steps(trainer: Trainer) -> None:
        tried.append(trainer.recipe.batch_size)
        if trainer.recipe.batch_size > 1:
            raise torch.OutOfMemoryError("8 GiB")

    monkeypatch.setattr(Trainer, "try_steps", steps)
    said: list[str] = []
    settings = possible(read_settings(config), tmp_path, said.append)
    assert tried == [4, 2, 1]
    assert settings.train.batch_size == settings.train.at(0.9).batch_size == 1
    assert said == ["no memory for a step; trying 2 crops", "no memory for a step; trying 1 crops"]
    monkeypatch.setattr(Trainer, "try_steps", lambda trainer: (_ for _ in ()).throw(torch.OutOfMemoryError("8 GiB")))
    with pytest.raises(UsageError, match="no memory for a step with one crop: 8 GiB"):
        possible(settings, tmp_path, said.append)


def test_a_session_goes_on_in_a_new_process_where_a_graph_cannot_be_recorded(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs, commands = [], []

    def failing(session: Session, say: object) -> None:
        graphs.append(session.train.train.graphs or session.finish.train.graphs)
        if graphs[-1]:
            raise GraphError("no CUDA graph of a step can be recorded (operation not permitted)")

    monkeypatch.setattr("isorate.codecs.learned.tools.session.run_session", failing)
    monkeypatch.setattr(os, "execv", lambda program, words: commands.append(words))
    words = ["learned", "session", str(config), str(config), "-o", str(tmp_path), "--start-from", "weights"]
    assert main([*words, "--cpu", "--seconds", "300"]) == 0
    assert "can be recorded (operation not permitted); a new process goes on without" in capsys.readouterr().out
    (again,) = commands
    assert again[:4] == [sys.executable, "-P", "-m", "isorate"]
    assert {"--eager", "--start-from", "weights", "--max-file-mb", "16"} <= set(again)
    assert 290 < float(again[again.index("--seconds") + 1]) <= 300
    assert main([*again[4:], "--cpu"]) == 0
    assert graphs == [True, False]
