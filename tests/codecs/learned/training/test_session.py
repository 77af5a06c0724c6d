"""A session on a machine that is there for minutes, and what is looked at before anything long begins."""

import os
import sys
from pathlib import Path

import pytest
import torch

from isorate.cli import main
from isorate.codecs.learned.bitstream.weights import load_weights
from isorate.codecs.learned.tools.session import Session, possible, run_session
from isorate.codecs.learned.training.graph import GraphError
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import read_settings
from isorate.errors import UsageError

from .conftest import CONFIGS


@pytest.mark.parametrize("name", ["small", "base"])
def test_a_finish_is_of_its_models_shape(name: str) -> None:
    run, finish = (read_settings(CONFIGS / f"{name}{suffix}.toml") for suffix in ("", "-finish"))
    assert run.model == finish.model
    assert finish.train.frozen_encoder
    assert finish.train.quantization == "rdoq"


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
