"""What the forge and the hooks run exists: the workflow, pre-commit and the release notes call real make targets."""

import ast
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def make_commands() -> Iterator[tuple[str, str]]:
    """Yield (where, command line) of every ``make`` that the workflow, the hook, .ci/run and the documents call."""
    for name, job in WORKFLOW["jobs"].items():
        for step in job["steps"]:
            if "run" in step:
                yield f"workflow, {name}", step["run"]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repository["hooks"]:
        yield "pre-commit", hook["entry"]
    for line in re.findall(r"^ *(?:if .*then )?(make .*?)(?:;.*)?$", (ROOT / ".ci/run").read_text(), re.MULTILINE):
        yield ".ci/run", line
    for file in ("RELEASING.md", "CONTRIBUTING.md", "SECURITY.md"):
        for line in re.findall(r"`(make [^`…]+)`", (ROOT / file).read_text(encoding="utf-8")):
            yield file, line


def test_no_bar_is_drawn_into_a_pipe() -> None:
    calls = 0
    for folder in ("benchmark", "codecs", "datasets", "reports"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tqdm":
                    calls += 1
                    disabled = [ast.unparse(word.value) for word in node.keywords if word.arg == "disable"]
                    assert disabled, f"{file}: a bar without disable=None, which leaves it out where nobody looks"
                    assert disabled[0].endswith("None"), f"{file}: disable={disabled[0]}"
    assert calls


@pytest.mark.parametrize(("where", "command"), [*make_commands()])
def test_make_knows_the_command_and_its_tests_exist(where: str, command: str) -> None:
    words = shlex.split(command)
    assert words[0] == "make", where
    settings = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    targets = [word for word in words[1:] if "=" not in word]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in targets:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), f"{where}: no target {target}"
    for name in settings:
        assert re.search(rf"\b{name} (\?=|=)", makefile), f"{where}: make takes no {name}"
    for tests in (*settings.get("TESTS", "").split(), *settings.get("LOWEST_TESTS", "").split()):
        assert (ROOT / tests).exists(), f"{where}: {tests}"
    done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_lowest_tests_exist() -> None:
    found = re.search(r"^LOWEST_TESTS \?= (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert [name for name in found[1].split() if not (ROOT / name).exists()] == []


def test_the_workflow_runs_the_supported_pythons_and_systems() -> None:
    jobs = WORKFLOW["jobs"]
    lowest = re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])
    assert lowest
    for job in ("test", "arm64"):
        pythons = jobs[job]["strategy"]["matrix"]["python"]
        assert pythons == [f"3.{minor}" for minor in range(int(lowest[1]), int(lowest[1]) + len(pythons))]
        assert pythons[-1] == "3.14"
    assert {system.partition("-")[0] for system in jobs["test"]["strategy"]["matrix"]["system"]} == {"ubuntu", "macos"}
    assert jobs["arm64"]["runs-on"].endswith("-arm")


def test_the_lowest_job_takes_the_declared_pytorch() -> None:
    (torch,) = [line.partition(">=")[2] for line in PROJECT["dependencies"] if line.startswith("torch>=")]
    called = [command for _, command in make_commands() if "TORCH=" in command]
    assert called
    for command in called:
        given = dict(word.split("=", 1) for word in shlex.split(command)[2:])["TORCH"]
        assert given.startswith(f"{torch}."), command


def test_the_lock_has_the_pytorch_of_its_script() -> None:
    pinned = re.search(r"torch==[\d.]+", (ROOT / ".ci/lock").read_text(encoding="utf-8"))
    assert pinned
    assert pinned[0] in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_issue_forms_are_forms() -> None:
    for file in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.name != "config.yml":
            assert {"name", "description", "body"} <= form.keys(), file.name
            assert all({"type", "attributes"} <= part.keys() for part in form["body"]), file.name
