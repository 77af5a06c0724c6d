"""A run folder may come from anyone: what its manifest names runs only where the user's configuration says the same."""

import json
import shlex
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from isorate.cli import main
from isorate.codecs.registry import configure
from isorate.runs.folder import Run

PROGRAM = """
import shutil, sys
open({ran!r}, "a").write(sys.argv[1] + " ")
if sys.argv[1] == "version":
    print("copier 1.0")
else:
    from PIL import Image
    Image.open(sys.argv[2]).save(sys.argv[3], quality=int(sys.argv[4]))
"""


RUN = ["run", "-o", "run", "--no-cache", "--image", "astronaut"]


@pytest.fixture(autouse=True)
def _no_other_configuration() -> Iterator[None]:
    yield
    configure([])


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A configuration with a codec whose program notes in `ran` that it ran."""
    (tmp_path / "program.py").write_text(PROGRAM.format(ran=str(tmp_path / "ran")))
    words = shlex.join([sys.executable, str(tmp_path / "program.py")])
    file = tmp_path / "own.toml"
    file.write_text(
        f"""
anchor = "jpeg"
codecs = ["other"]
points = ["quality=20"]
[codec.other]
suffix = ".jpg"
encode = {json.dumps(words + " encode {input} {output} {q}")}
version = {json.dumps(words + " version")}
knob = {{ name = "q", low = 1, high = 95, integer = true }}
"""
    )
    return file


@pytest.fixture
def stranger(configuration: Path, two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run with that codec, and nothing that has run or is configured since."""
    monkeypatch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    monkeypatch.chdir(tmp_path)
    assert main([*RUN, "--config", str(configuration), "--data", str(two_photos)]) == 0
    (tmp_path / "ran").unlink()
    configure([])
    return tmp_path / "run"


COMMANDS = {
    "reproduce": ["reproduce", "run"],
    "baseline": ["baseline", "run", "-o", "new.json"],
    "accept": ["check", "run", "-b", "base.json", "--accept"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_programs_of_a_manifest_run_only_where_the_user_says_the_same(
    command: str, stranger: Path, configuration: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "ran"
    other = stranger.parent / "empty.json"
    assert main(["baseline", "run", "--no-probe", "-o", str(other)]) == 0
    data = json.loads(other.read_text())
    for row in data["rows"]:
        row["stream"] = "0" * 12  # other files: their slopes are measured anew
    (stranger.parent / "base.json").write_text(json.dumps(data))
    capsys.readouterr()

    assert main(COMMANDS[command]) == (3 if command == "accept" else 2)
    said = capsys.readouterr().err
    assert not ran.exists()
    assert "codec other" in said
    assert "program.py encode {input} {output} {q}" in said
    assert "program.py version" in said
    assert "--allow-programs" in said
    assert "[codec.other]" in said

    configuration.with_name("theirs.toml").write_text(configuration.read_text().replace("high = 95", "high = 94"))
    assert main([*COMMANDS[command], "--config", "theirs.toml"]) != 0
    assert not ran.exists()

    assert main([*COMMANDS[command], "--config", str(configuration)]) == 0
    assert "encode" in ran.read_text()
    ran.unlink()
    configure([])
    Path("new.json").unlink(missing_ok=True)  # its slopes would be kept
    (stranger.parent / "base.json").write_text(json.dumps(data))
    assert main([*COMMANDS[command], "--allow-programs"]) == 0
    assert "encode" in ran.read_text()


@pytest.mark.parametrize(
    "words",
    [["table", "run"], ["report", "run"], ["compare", "run", "run"], ["baseline", "run", "--no-probe", "-o", "n.json"]],
)
def test_readers_run_nothing(words: list[str], stranger: Path, tmp_path: Path) -> None:
    assert main(words) == 0
    assert not (tmp_path / "ran").exists()


def test_a_run_is_continued_with_the_users_own_definition(
    stranger: Path, configuration: Path, two_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    removed = Run.open(stranger)
    removed.remove_rows([row.key for row in removed.rows() if row.codec == "other"][:1])
    words = [*RUN, "--data", str(two_photos), "--config"]
    assert main([*words, str(configuration)]) == 0
    assert "encode" in (tmp_path / "ran").read_text()

    manifest = json.loads((stranger / "manifest.json").read_text())
    theirs = next(codec for codec in manifest["codecs"] if codec["name"] == "other")
    theirs["command_line"]["encode"] = "touch never {input} {output} {q}"
    (stranger / "manifest.json").write_text(json.dumps(manifest))
    assert main([*words, str(configuration)]) == 2
    assert "codec other: command_line was" in capsys.readouterr().err
    assert not Path("never").exists()


def test_a_manifest_that_calls_its_program_by_a_built_in_name(
    stranger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.loads((stranger / "manifest.json").read_text())
    theirs = next(codec for codec in manifest["codecs"] if codec["name"] == "other")
    anchor = next(codec for codec in manifest["codecs"] if codec["name"] == "jpeg")
    anchor["command_line"] = theirs["command_line"]
    del theirs["command_line"]
    theirs["spec"] = "jpeg:chroma=444"
    (stranger / "manifest.json").write_text(json.dumps(manifest))
    assert main(["reproduce", "run"]) == 2
    assert "codec jpeg: the run's manifest names programs" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()
