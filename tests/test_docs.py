"""What the documents and the docstrings show is run: Python, examples, configuration; commands in a file of their own.

Nothing is left out: every block in Python, every docstring with a prompt, every TOML table.
"""

import ast
import doctest
import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from isorate.cli.config import read_settings
from isorate.codecs.registry.adapters import ENTRY_POINT_GROUP
from isorate.datasets.manifest import FILE_KEYS
from isorate.datasets.reading import KEYS, read_manifest
from isorate.files.toml import TomlFile
from isorate.image import Image

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "benchmark": "isorate",
    "codecs": "isorate.codecs",
    "datasets": "isorate.datasets",
    "reports": "isorate.reports",
}
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
A_CODEC = ROOT / "docs" / "write-a-codec.md"
DATASETS = ROOT / "docs" / "datasets.md"


def blocks(file: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", file.read_text(encoding="utf-8"), re.DOTALL)


def shown(language: str) -> Iterator[Any]:
    for file in DOCUMENTS:
        for at, text in enumerate(blocks(file, language), 1):
            if file not in (A_CODEC, DATASETS):
                yield pytest.param(text, id=f"{file.name} {at}")


def with_prompts() -> Iterator[str]:
    for folder, package in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            if ">>> " in file.read_text(encoding="utf-8"):
                parts = file.relative_to(ROOT / folder).with_suffix("").parts
                yield ".".join((package, *(part for part in parts if part != "__init__")))


@pytest.mark.parametrize("text", [*shown("python")])
def test_the_python_of_the_documents_runs(text: str, workshop: Path) -> None:
    exec(text.replace("kodim02", "coffee"), {})  # a file of Kodak's name must be Kodak's


@pytest.mark.parametrize("name", [*with_prompts()])
def test_the_docstrings_examples_give_what_they_show(name: str, workshop: Path) -> None:
    shutil.rmtree(workshop / "runs")
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert found.failed == 0


@pytest.mark.parametrize("text", [*shown("py")])
def test_what_is_only_shown_of_python_is_python(text: str) -> None:
    ast.parse(text)  # it takes a Slurm or Kubernetes cluster to run


def test_no_example_is_skipped() -> None:
    for folder in FOLDERS:
        for file in (ROOT / folder).rglob("*.py"):
            assert "doctest: +SKIP" not in file.read_text(encoding="utf-8"), file


def test_the_documented_codec_keeps_the_contract_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Image
) -> None:
    from isorate.api import match

    codec, its_test = blocks(A_CODEC, "python")
    assert len([line for line in codec.partition("class WebP")[2].splitlines() if line.strip()]) < 40
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "webp.py").write_text(codec)
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict[str, Any] = {}
    exec(its_test, namespace)
    namespace["test_webp"]()
    data, found = match(namespace["WebP"](), photo, 0.5)
    assert namespace["WebP"]().decode(data).shape == photo.shape
    assert abs(found.residual_pct) < 10


def test_the_documented_entry_point_is_of_the_group_that_the_registry_reads() -> None:
    (text,) = blocks(A_CODEC, "toml")
    assert tomllib.loads(text) == {
        "project": {"entry-points": {ENTRY_POINT_GROUP: {"my-webp": "my_package.webp:WebP"}}}
    }


@pytest.mark.parametrize("text", [*shown("toml")])
def test_the_documented_configuration_is_understood(text: str, tmp_path: Path) -> None:
    file = tmp_path / "isorate.toml"
    file.write_text(text, encoding="utf-8")
    read_settings(TomlFile.read(file))


def test_the_documented_manifests_are_understood(tmp_path: Path) -> None:
    (toml,) = blocks(DATASETS, "toml")
    (table,) = blocks(DATASETS, "text")
    for name, text in ("birds.toml", toml), ("birds.csv", table):
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = read_manifest(tmp_path / name)
        assert [file.image_class for file in found.files] == ["tits", "finches"]
        assert all(file.sha256 for file in found.files)
    for key in (*KEYS, *FILE_KEYS):
        assert f"`{key}`" in DATASETS.read_text("utf-8") or key == "file"


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.py")), ids=lambda file: file.name)
def test_the_example_runs(file: Path) -> None:
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=True)
    assert "JPEG2000" in done.stdout


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda file: file.name)
def test_the_notebook_runs(file: Path, workshop: Path) -> None:
    """Each cell as a kernel runs it: the last expression is what the cell shows."""
    notebook = json.loads(file.read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    names: dict[str, Any] = {"__name__": "__main__"}
    shown: list[Any] = []
    for text in code:
        tree = ast.parse(text)
        last = tree.body[-1]
        exec(compile(ast.Module(tree.body[:-1], []), file.name, "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), file.name, "eval"), names))
        else:
            exec(compile(ast.Module([last], []), file.name, "exec"), names)
    assert "At the file sizes of JPEG" in shown[0]._repr_html_()
    assert list(shown[2].columns) == ["jpeg", "jpeg2000"]
    assert shown[3]._repr_png_()
    assert shown[4].loc["JPEG, grey", "psnr"] < shown[4].loc["JPEG", "psnr"]
    assert shown[-1] == "index.html"


def test_every_link_in_the_documents_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_room_is_on_the_map() -> None:
    text = (ROOT / "docs" / "how-it-is-built.md").read_text(encoding="utf-8")
    rooms = {file.parent.relative_to(ROOT) for folder in FOLDERS for file in (ROOT / folder).rglob("__init__.py")}
    assert {f"{room.as_posix()}/" for room in rooms} == set(re.findall(r"^\| `([a-z_/]+/)` \|", text, re.MULTILINE))
