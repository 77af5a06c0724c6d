"""The model card of a weights file."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from isorate.codecs.learned.bitstream.weights import save_weights
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.tools.card import facts, markdown
from isorate.codecs.learned.tools.export import weights_of
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import read_settings
from isorate.errors import UsageError


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


def test_a_card_names_a_damaged_state(checkpoint: Path, tiny_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(checkpoint, run)
    for name in ("validation.csv", "curve.csv"):
        (run / name).touch()
    next(run.glob("step-*/state.json")).write_text("{")
    with pytest.raises(UsageError, match=r"state\.json cannot be read"):
        facts(tiny_path, [run], "two photographs", "one core", "abcdef")
