"""Which room may know which: read from the imports themselves, those inside functions included."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "isorate": "benchmark",
    "isorate.codecs": "codecs",
    "isorate.datasets": "datasets",
    "isorate.reports": "reports",
}
BELOW = (
    "isorate.errors",
    "isorate.ffmpeg",
    "isorate.files",
    "isorate.image",
    "isorate.matching",
    "isorate.metrics",
    "isorate.pictures",
    "isorate.plugins",
)
"""What lies below codecs and data sets: a codec that compares its own pictures uses the suite's MS-SSIM, too, and one
that reaches a size by itself the suite's searches."""
LEARNED = "isorate.codecs.learned"
ENTROPY = "isorate.codecs.entropy"
OVERFITTED = "isorate.codecs.overfitted"
DISTORTION = "isorate.codecs.distortion"
RULES = {
    "isorate.image": (),
    "isorate.ffmpeg": ("isorate.errors",),
    "isorate.plugins": ("isorate.errors", "isorate.files"),
    "isorate.metrics": ("isorate.errors", "isorate.ffmpeg", "isorate.files", "isorate.image", "isorate.plugins"),
    "isorate.pictures": ("isorate.errors", "isorate.image"),
    "isorate.codecs": BELOW,
    "isorate.datasets": BELOW,
    ENTROPY: ("isorate.errors",),
    DISTORTION: (),
    f"{LEARNED}.model": BELOW,
    f"{LEARNED}.bitstream": (*BELOW, ENTROPY, f"{LEARNED}.model"),
    f"{LEARNED}.coding": (*BELOW, DISTORTION, "isorate.codecs.base", f"{LEARNED}.model", f"{LEARNED}.bitstream"),
    f"{LEARNED}.training": (*BELOW, DISTORTION, f"{LEARNED}.model", f"{LEARNED}.coding"),
    f"{OVERFITTED}.model": (*BELOW, DISTORTION),
    f"{OVERFITTED}.bitstream": (*BELOW, ENTROPY, f"{OVERFITTED}.model"),
    f"{OVERFITTED}.kernels": (DISTORTION, f"{OVERFITTED}.model"),
    f"{OVERFITTED}.fitting": (
        *BELOW,
        f"{OVERFITTED}.model",
        f"{OVERFITTED}.kernels",
        f"{OVERFITTED}.decoders",
        f"{OVERFITTED}.bitstream",
        f"{LEARNED}.training.soap",
    ),
    "isorate.files": ("isorate.errors", "isorate.image"),
    "isorate.matching": ("isorate.errors", "isorate.image"),
    "isorate.runs": (*BELOW, "isorate.codecs", "isorate.datasets"),
    "isorate.reports": (*BELOW, "isorate.codecs.base", "isorate.runs"),
}
"""A room, and what it may import beside itself."""


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            yield ".".join((package, *(part for part in parts if part != "__init__"))), file


def imports(file: Path) -> set[str]:
    """Return the isorate modules that a file imports; of a package's own names, the package."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.partition(".")[0] == "isorate"}


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def trespasses(room: str, allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{module} imports {name}"
        for module, file in modules()
        if within(module, room)
        for name in sorted(imports(file))
        if not any(within(name, other) for other in (room, *allowed))
    ]


@pytest.mark.parametrize("room", RULES)
def test_a_room_knows_only_what_lies_below(room: str) -> None:
    assert any(within(module, room) for module, _ in modules())
    assert trespasses(room, RULES[room]) == []


def test_only_the_command_line_and_what_a_script_gets_know_the_reports() -> None:
    knows = [
        module
        for module, file in modules()
        if file.is_relative_to(ROOT / "benchmark") and not within(module, "isorate.cli")
        if module != "isorate.run_results"
        if any(within(name, "isorate.reports") for name in imports(file))
    ]
    assert knows == []


def test_an_import_against_the_rules_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "wrong.py"
    file.write_text("def late():\n    from isorate.reports.page import render\n", "utf-8")
    monkeypatch.setattr(f"{__name__}.modules", lambda: [("isorate.codecs.wrong", file)])
    assert trespasses("isorate.codecs", BELOW) == ["isorate.codecs.wrong imports isorate.reports.page"]
