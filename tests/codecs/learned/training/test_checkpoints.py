"""Checkpoints: whole or absent, cut and joined, damaged, of before, of another model."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from isorate.cli import main
from isorate.codecs.learned.training.checkpoint import newest_checkpoint, read_checkpoint, write_checkpoint
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import read_settings

from .conftest import grown


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
