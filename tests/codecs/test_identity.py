import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from isorate.codecs.base import Knob
from isorate.codecs.bpg import Bpg
from isorate.codecs.command_line import CommandLine, make
from isorate.codecs.identity import Identity, adapter_digest, identity, in_files
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.codecs.learned import LearnedCodec
from isorate.files import code
from isorate.files.code import file_digest

PLUGIN = """
from isorate.codecs.jpeg import Jpeg
from {package}helper import OFFSET
class Fancy(Jpeg):
    name = label = "fancy"
"""


Load = Callable[[str], Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def again(name: str) -> ModuleType:
        for loaded in [some for some in sys.modules if some == name or some.startswith(f"{name}.")]:
            del sys.modules[loaded]
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield again
    for name in ("one_file", "package", "helper", "deeper"):
        for loaded in [some for some in sys.modules if some == name or some.startswith(f"{name}.")]:
            del sys.modules[loaded]


def test_the_same_codec_has_the_same_identity_and_another_option_another() -> None:
    assert identity(Jpeg()) == identity(Jpeg())
    found = {identity(codec) for codec in (Jpeg(), Jpeg(chroma="444"), Jpeg2000(), Bpg(backend="embedded"))}
    assert len({one.encode for one in found}) == len({one.decode for one in found}) == 4


def test_a_plug_in_of_one_file_has_its_code_in_its_identity(tmp_path: Path, load: Load) -> None:
    file = tmp_path / "one_file.py"
    (tmp_path / "helper.py").write_text("OFFSET = 0\n")
    file.write_text(PLUGIN.format(package=""))
    before = identity(load("one_file").Fancy())
    assert identity(load("one_file").Fancy()) == before
    file.write_text(PLUGIN.format(package="") + "# another decoder\n")
    changed = identity(load("one_file").Fancy())
    assert changed != before
    (tmp_path / "helper.py").write_text("OFFSET = 2\n")
    assert identity(load("one_file").Fancy()) not in (before, changed)


def test_a_plug_in_package_has_all_of_its_code_in_its_identity(tmp_path: Path, load: Load) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "codec.py").write_text(PLUGIN.format(package="package."))
    (folder / "helper.py").write_text("OFFSET = 0\n")

    def now() -> Identity:
        load("package")
        return identity(importlib.import_module("package.codec").Fancy())

    before = now()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "codec.pyc").write_text("compiled")
    assert now() == before
    (folder / "helper.py").write_text("OFFSET = 1\n")
    code = now()
    assert code != before
    (folder / "tables.bin").write_text("what the code reads")
    assert now() not in (before, code)


def test_a_helper_that_an_installed_plug_in_is_installed_with_is_in_its_identity(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what another package put beside it is not."""
    site = tmp_path / "site-packages"
    files = {
        "one_file.py": PLUGIN.format(package=""),
        "helper.py": "from deeper import core\nOFFSET = 0\n",
        "deeper/core.py": "",
        "others.py": "",
        "fancy-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: fancy\nVersion: 1\n",
        "fancy-1.dist-info/RECORD": "one_file.py,,\nhelper.py,,\ndeeper/core.py,,\n../../bin/fancy.py,,\ngone.py,,\n",
    }
    for name, text in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    monkeypatch.syspath_prepend(site)

    def now() -> str:
        load("helper")
        return adapter_digest(load("one_file").Fancy)

    seen = [now()]
    (site / "others.py").write_text("# changed\n")
    assert now() == seen[0]
    for name in ("one_file.py", "helper.py", "deeper/core.py"):
        (site / name).write_text(files[name] + "# changed\n")
        seen.append(now())
    assert len(set(seen)) == 4


def test_what_a_codec_runs_beside_its_code_is_in_its_identity(tmp_path: Path) -> None:
    script = tmp_path / "encode.sh"
    script.write_text("one")

    class Scripted(Jpeg):
        encoder_files = (script,)

    before = identity(Scripted())
    assert before.decode == identity(Scripted()).decode
    script.write_text("two")
    after = identity(Scripted())
    assert after.encode != before.encode
    assert after.decode == before.decode


def test_a_base_of_another_package_counts_by_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "network_codec.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    def made() -> type[Jpeg]:
        return type("Network", (Jpeg, torch.nn.Module), {"__module__": "network_codec"})

    read: list[Path] = []

    def digest(path: Path) -> str:
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr("isorate.files.code.file_digest", digest)
    before = adapter_digest(made())
    assert {path.name for path in read} >= {"network_codec.py", "jpeg.py"}
    assert not any("torch" in path.parts for path in read)
    assert in_files(made())
    assert adapter_digest(made()) == before
    monkeypatch.setattr(code, "version", lambda name: f"0 of {name}")
    assert adapter_digest(made()) != before


def test_the_folder_of_the_code_does_not_count(tmp_path: Path) -> None:
    one, two = tmp_path / "a", tmp_path / "b"
    for folder in (one, two):
        folder.mkdir()
        (folder / "x").write_text("same")
    assert file_digest(one / "x") == file_digest(two / "x")
    assert len(adapter_digest(Jpeg)) == 64


def test_a_class_that_no_file_holds_is_never_taken_for_another() -> None:
    names: dict[str, Any] = {"__name__": "nowhere_at_all"}
    code = "from isorate.codecs.jpeg import Jpeg\nclass Typed(Jpeg):\n    name = 'typed'"
    exec(code, names)
    first = identity(names["Typed"]())
    assert identity(names["Typed"]()) == first
    exec(code, names)
    assert identity(names["Typed"]()).encode != first.encode


def test_every_word_of_a_command_line_that_is_a_file_counts(tmp_path: Path) -> None:
    """Scripts, what they import from beside themselves, tables behind an option, and the interpreter found on PATH."""
    files = {name: tmp_path / name for name in ("enc.py", "tables.txt", "dec.py", "helper.py")}
    for name, file in files.items():
        file.write_text("import helper\n" if name == "enc.py" else f"# {name}\n")
    knob = Knob("q", 0, 10, integer=True, rising=True)
    words = f"--tables={files['tables.txt']} {{q}} {{input}} {{output}}"
    line = CommandLine(
        "cl", "Cl", ".x", knob, f"sh {files['enc.py']} {words}", f"sh {files['dec.py']} {{input}} {{output}}"
    )
    codec = make(line)
    assert {file.name for file in codec.encoder_files} >= {"sh", "enc.py", "tables.txt", "helper.py"}
    seen = [identity(codec)]
    for file in files.values():
        file.write_text(file.read_text() + "# changed\n")
        seen.append(identity(codec))
    assert len({one.encode for one in seen}) == 4
    assert len({one.decode for one in seen}) == 2
    assert len({one.programs for one in seen}) == 5


def test_scripts_by_a_link_without_an_ending_or_as_a_module_bring_their_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    for folder in (source, tmp_path / "package"):
        folder.mkdir()
        (folder / "helper.py").write_text("")
    (source / "enc.py").write_text("import helper\n")
    (source / "dec").write_text("#!/usr/bin/env python3\nimport helper\n")
    (tmp_path / "package" / "__main__.py").write_text("from package import helper\n")
    (tmp_path / "single.py").write_text("import other\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "link.py").symlink_to(source / "enc.py")
    monkeypatch.chdir(tmp_path)

    def files(words: str) -> list[str]:
        line = CommandLine("cl", "Cl", ".x", Knob("q", 0, 10, integer=True, rising=True), f"sh {words}")
        top = tmp_path.resolve()
        found = [file for file in make(line).encoder_files if file.is_relative_to(top)]
        return sorted(str(file.relative_to(top)) for file in found)

    assert files("link.py") == ["link.py", "source/helper.py"]
    assert files("source/dec") == ["source/dec", "source/helper.py"]
    assert files("-m package") == ["package/__main__.py", "package/helper.py"]
    assert files("-m single") == ["other.py", "single.py"]
    assert files("-m nowhere.at.all") == []


def test_what_python_finds_beside_a_script_without_asking_for_an_init_file(tmp_path: Path) -> None:
    """Folders that are namespace packages, by their code, and compiled modules."""
    files = {
        "enc.py": "from parts.core import F\nimport _fast, pictures\n",
        "parts/core.py": "import other\n",
        "parts/deep/more.py": "",
        "other.py": "",
        "_fast.cpython-311-x86_64-linux-gnu.so": "",
        "_fast.txt": "",
        "pictures/kodim01.png": "",
        "unused/core.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    line = CommandLine("cl", "Cl", ".x", Knob("q", 0, 10, integer=True, rising=True), f"sh {tmp_path / 'enc.py'}")
    found = {file for file in make(line).encoder_files if file.is_relative_to(tmp_path)}
    expected = ("enc.py", "parts/core.py", "parts/deep/more.py", "other.py", "_fast.cpython-311-x86_64-linux-gnu.so")
    assert found == {tmp_path / name for name in expected}


def test_endings_of_a_command_lines_files_are_in_its_identity() -> None:
    """A program that goes by endings writes another format for another one."""
    knob = Knob("q", 0, 10, integer=True, rising=True)
    lines = [
        CommandLine("cl", "Cl", suffix, knob, "sh {q} {input} {output}", picture=picture)
        for suffix in (".webp", ".jpg")
        for picture in ("png", "ppm")
    ]
    assert len({identity(make(line)).encode for line in lines}) == 4
    assert make(lines[0]).options == {"encode": "sh {q} {input} {output}", "decode": "Pillow"}


def test_a_program_that_changes_while_we_run_says_its_new_version(tmp_path: Path) -> None:
    program = tmp_path / "coder"
    knob = Knob("q", 0, 10, integer=True, rising=True)
    line = CommandLine(
        "cl", "Cl", ".png", knob, f"{program} {{q}} {{input}} {{output}}", version=f"{program} --version"
    )
    for version in ("1.2", "1.3"):
        program.write_text(f"#!/bin/sh\necho coder {version}\n")
        program.chmod(0o755)
        assert make(line).backend == f"coder {version}"


def test_the_learned_codec_for_ms_ssim_depends_on_its_library() -> None:
    assert LearnedCodec().encoder_files == []
    assert {file.name for file in LearnedCodec(objective="ms-ssim").encoder_files} >= {"__init__.py", "ssim.py"}
