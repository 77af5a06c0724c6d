"""Configurations: what a recipe and a model may hold."""

from pathlib import Path

import pytest

from isorate.cli import main
from isorate.codecs.learned.training.checkpoint import read_checkpoint
from isorate.codecs.learned.training.data import Pack
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import TrainSettings, read_settings
from isorate.errors import DatasetError, UsageError

from .conftest import CONFIGS


@pytest.mark.parametrize(("share", "crop"), [(1.5, 192), (-0.1, 192), (1.0, 128)])
def test_an_impossible_share_of_ms_ssim_is_refused(share: float, crop: int) -> None:
    with pytest.raises(UsageError, match=r"ms_ssim_share is|MS-SSIM needs 161"):
        TrainSettings(total_steps=1, ms_ssim_share=share, crop_size=crop)


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


def test_phases_change_the_recipe_from_their_start_on(config: Path, tmp_path: Path) -> None:
    recipe = read_settings(config).train
    assert recipe.at(0.79) == recipe
    assert (recipe.at(0.8).crop_size, recipe.at(1.0).quantization) == (128, "round")
    trainer = Trainer(read_settings(config, {"total_steps": 5}), tmp_path)
    trainer.run()
    assert trainer.recipe.frozen_encoder
    assert not any(p.requires_grad for p in trainer.model.analysis_net.parameters())
