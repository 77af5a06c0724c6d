"""Every isorate command that the documents and the example workflow show is one that the command line takes."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isorate.cli import datasets, learned, main, overfitted
from isorate.cli.commands import COMMANDS, PLACES, app

ROOT = Path(__file__).parent.parent
FILES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "github-workflow.yml"]
ONLY_UNDERSTOOD = {
    "run --data kodak": "takes a download and most of an hour",
    "run --data samples --anchor bpg": "encodes three whole photographs with three codecs, half a minute",
    "run --data shared/photos --scheduler": "needs a cluster; tests/benchmark/engine/test_cluster.py starts one",
    "verify --data": "takes Kodak's photographs; tests/benchmark/verification/test_verify.py recomputes two of them",
    "train": "trains for hours; tests/codecs/learned/training/test_training.py trains a tiny model",
    "overfitted": "fits pictures; tests/codecs/overfitted/test_overfitted_tools.py runs them small",
    "learned": "takes packs, checkpoints or minutes; the same test file goes from photographs to weights",
}
"""Commands, by how they begin, that are understood but not run here, and why."""
OF_THE_MACHINE = ("doctor",)
"""Commands whose exit code is 1 where this machine lacks a program that they are asked about."""
GROUPS = ("datasets", "learned", "overfitted")
"""Commands with further ones under them."""
KODIM = {"kodim15": "coffee"}
"""A file of Kodak's name must be Kodak's: what stands for it."""


def commands(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        found = re.match(r"\s*(?:run: )?(?:\w+=\S+ )*isorate (.+)", line)
        if found:
            words = shlex.split(found[1].partition("  #")[0].replace("…", ""))
            yield words[: next((i for i, word in enumerate(words) if word in (">", "|", "&&")), len(words))]


def shown() -> Iterator[Any]:
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        parts = [text] if file.suffix == ".yml" else re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
        for part in parts:
            for words in commands(part):
                yield pytest.param(words, id=f"{file.name}: {' '.join(words)}")


def examples() -> Iterator[Any]:
    import importlib

    single = {name: place for name, place in PLACES.items() if name not in GROUPS}
    single["datasets"] = "isorate.cli.datasets.listing:listing"
    grouped = [pair for group in (datasets, learned, overfitted) for pair in group.PLACES.items()]
    for name, place in [*single.items(), *grouped]:
        module, _, function = place.partition(":")
        text = getattr(importlib.import_module(module), function).__doc__
        found = list(commands(text.partition("Examples")[2].partition("Parameters")[0]))
        assert found, f"isorate {name} has no example in its help"
        for words in found:
            yield pytest.param(words, id=" ".join(words))


@pytest.mark.parametrize("words", [*shown(), *examples()])
def test_it_is_understood(words: list[str]) -> None:
    app.parse_args(words, exit_on_error=False, print_error=False)


def once() -> list[Any]:
    each = {tuple(one.values[0]): one for one in [*shown(), *examples()]}
    return [
        one for words, one in each.items() if not any(" ".join(words).startswith(begin) for begin in ONLY_UNDERSTOOD)
    ]


@pytest.mark.parametrize("words", once())
def test_it_runs(words: list[str], workshop: Path, request: pytest.FixtureRequest) -> None:
    if words == ["verify", "--only", "fitted"]:
        request.getfixturevalue("kodak_dir")  # skips where the photographs are not at hand
    if words[0] == "init":
        (workshop / "isorate.toml").unlink()
    if words[:2] == ["datasets", "add"]:
        shutil.rmtree(workshop / "datasets")
    if words[0] == "run":
        shutil.rmtree(workshop / "runs")
    code = main([KODIM.get(word, word) for word in words])
    assert code == 0 or (code == 1 and words[0] in OF_THE_MACHINE)


@pytest.mark.parametrize("begin", ONLY_UNDERSTOOD)
def test_what_is_not_run_is_still_shown(begin: str) -> None:
    assert any(" ".join(one.values[0]).startswith(begin) for one in [*shown(), *examples()])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    script = (
        f"source {tmp_path}/completion; COMP_WORDS=(isorate rep); COMP_CWORD=1; _isorate; echo ${{COMPREPLY[@]}}; "
        "COMP_WORDS=(isorate check runs/kodak --ba); COMP_CWORD=3; COMPREPLY=(); _isorate; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert set(first.split()) == {"report", "reproduce"}
    assert second.split() == ["--baseline"]


def test_the_example_workflow_is_yaml_that_posts_the_table() -> None:
    text = (ROOT / "examples" / "github-workflow.yml").read_text(encoding="utf-8")
    assert "actions/cache" in text
    assert "--body-file check.md" in text
    assert "\t" not in text
    yaml = pytest.importorskip("yaml")
    assert [step.get("name") for step in yaml.safe_load(text)["jobs"]["compare"]["steps"]].count("Run") == 1
