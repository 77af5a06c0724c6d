"""What is imported is declared, what is declared is imported, and the lock holds all of it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
OPTIONAL = {
    "pandas": "RunResults.frame asks for it, and says what to install",
    "tueplots": "figures take its styles where it is installed, and say so where it is not",
}
OURS = {"isorate", "isorate_sample_codec", "isorate_test_codecs", "remembering_codec", "fancy_plugin", "package"}
"""The package, and modules that tests write for themselves."""


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@cache
def declared() -> dict[str, set[str]]:
    """Return the declared distributions by extra, the dependencies proper under ``""``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {name_of(line) for line in lines} for extra, lines in groups.items()}


def imported_modules(file: Path) -> Iterator[str]:
    """Yield the names of the modules that `file` imports, also by name, or reads files of."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module
            yield node.module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "importorskip", "import_extra", "package_file"):
                yield str(node.args[0].value)


def distributions(folders: list[str]) -> dict[str, str]:
    """Return the foreign distributions that the files under `folders` import, each with one file that does."""
    known = packages_distributions()
    found: dict[str, str] = {}
    for folder in folders:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for module in imported_modules(file):
                top = module.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in OURS:
                    for name in known.get(top, [top]):
                        found.setdefault(name_of(name), str(file.relative_to(ROOT)))
    return found


def test_what_the_package_imports_is_declared_and_the_other_way_round() -> None:
    imported = distributions(["benchmark", "codecs", "datasets", "reports"])
    extras = set().union(*(names for extra, names in declared().items() if extra not in ("", "dev")))
    optional = extras | OPTIONAL.keys()
    assert {name: file for name, file in imported.items() if name not in declared()[""] | optional} == {}
    assert declared()[""] - imported.keys() == set()
    assert optional - imported.keys() == set()


def test_what_the_tests_import_is_declared() -> None:
    imported = distributions(["tests", "examples"])
    known = set().union(*declared().values())
    assert {name: file for name, file in imported.items() if name not in known} == {}


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    assert [line for line in lines if not re.match(r"[A-Za-z0-9._-]+>=\d", line)] == []


def test_the_lock_holds_every_dependency_at_one_version() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    pinned = [name_of(line) for line in lines]
    assert all(re.match(r"[a-z0-9-]+==[0-9][^ ]*( ; .+)?$", line) for line in lines)
    assert len(pinned) == len(set(pinned))
    assert set().union(*declared().values()) - declared()["compressai"] <= set(pinned)
    assert not [name for name in pinned if name.startswith(("nvidia-", "cuda-", "triton"))]
