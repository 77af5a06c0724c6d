import importlib.metadata
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import isorate

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "isorate": "benchmark",
    "isorate.codecs": "codecs",
    "isorate.datasets": "datasets",
    "isorate.reports": "reports",
}


def packages_in_the_tree() -> set[str]:
    found = set()
    for name, folder in FOLDERS.items():
        for file in (ROOT / folder).rglob("__init__.py"):
            inner = file.parent.relative_to(ROOT / folder).parts
            found.add(".".join([name, *inner]))
    return found


def test_every_package_in_the_tree_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    assert set(listed) == packages_in_the_tree()


def test_nothing_shadows_the_standard_library_or_hugging_face() -> None:
    code = (
        "import codecs, sys; import isorate.codecs.base, isorate.datasets.base; "
        "print(codecs.__file__, 'datasets' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert "isorate" not in done.stdout
    assert done.stdout.strip().endswith("False")


def test_the_version_is_written_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert isorate.__version__ == importlib.metadata.version("isorate") == project["version"]
    done = subprocess.run([sys.executable, "-m", "isorate", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == project["version"]


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {key: citation[key] for key in ("title", "version", "license")} == {
        "title": project["name"],
        "version": project["version"],
        "license": project["license"],
    }
    assert citation["authors"] == project["authors"]
    assert [author["family-names"] for author in citation["references"][0]["authors"]] == ["Choi", "El-Khamy", "Lee"]


def test_importing_the_package_is_cheap() -> None:
    names = "'numpy', 'torch', 'PIL', 'matplotlib', 'importlib.metadata'"
    code = f"import isorate, sys; print([m for m in ({names}) if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_wheel_and_sdist_carry_everything(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        in_wheel = {name for name in wheel.namelist() if name.startswith("isorate/")}
    expected = set()
    for name, folder in FOLDERS.items():
        tracked = subprocess.run(
            ["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout
        for line in tracked.splitlines():
            expected.add(f"{name.replace('.', '/')}/{Path(line).relative_to(folder).as_posix()}")
    assert expected
    assert expected <= in_wheel
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"benchmark/verification/supplementary.csv", "datasets/kodak.toml", "codecs/base.py", "LICENSE"} <= in_sdist
