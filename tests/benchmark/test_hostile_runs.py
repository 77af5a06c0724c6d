"""Whatever a stranger's run folder says, a command that reads it works or tells one error: never a traceback."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from cyclopts import App
from PIL import Image as PillowImage

from isorate import api
from isorate.cli import main
from isorate.cli.commands import app
from isorate.gate.accept import write_baseline
from isorate.image import Image
from isorate.runs.folder import Run

WRONG: list[Any] = [None, True, -1, 1e14, "x", [], {}, float("nan"), float("inf"), [[]], {"x": [None]}]
READERS = ("check", "baseline", "compare")
DRAWING = ("report", "figures", "reproduce")
GONE = object()
TOGETHER = 16
"""How many accepted values are drawn at once: drawing is slow, and one that fails shows among others, too."""

Change: TypeAlias = tuple[tuple[Any, ...], Any]
"""A place and its new value."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, photo: Image) -> Path:
    """Return a folder with a real run and its baseline."""
    made = tmp_path_factory.mktemp("hostile")
    (made / "photos").mkdir()
    PillowImage.fromarray(np.ascontiguousarray(photo[:64, :64])).save(made / "photos" / "a.png")
    with ThreadPoolExecutor(1) as executor:
        run = api.run(made / "photos", made / "run", anchor="jpeg", codecs=["jpeg:mode=integer"],
                      points=["quality=20"], executor=executor)  # fmt: skip
    write_baseline(run, made / "baseline.json", probe=False)
    shutil.copytree(made / "run", made / "same")
    return made


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every key and of every first item."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*place, key)
        yield from places(item, (*place, key))


def changed(value: Any, *changes: Change) -> Any:
    """Return a copy in which each place has its new value; none of them lies inside another."""
    copied = json.loads(json.dumps(value))
    for place, to in changes:
        at = copied
        for key in place[:-1]:
            at = at[key]
        if to is GONE:
            del at[place[-1]]
        else:
            at[place[-1]] = to
    return copied


def words(command: str, folder: Path) -> list[str]:
    run, out = str(folder / "run"), str(folder / "out")
    more = {
        "check": ["--baseline", str(folder / "baseline.json")],
        "baseline": ["-o", str(folder / "made.json"), "--no-probe"],
        "compare": [str(folder / "same")],
        "report": ["-o", out],
        "figures": ["-o", out, "--format", "png", "--dpi", "40"],
    }
    return [command, run, *more.get(command, [])]


class Hostile:
    """The folder's run with changes in one of its files, through the command line."""

    def __init__(self, folder: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.file, self.capsys = folder, file, capsys
        self.good = json.loads(file.read_text())
        self.calls = self.refused = 0

    def write(self, *changes: Change) -> None:
        self.file.write_text(json.dumps(changed(self.good, *changes)))

    def call(self, command: str, *changes: Change) -> int:
        """Return the exit code, which is of a result or of one error that names the run."""
        code = main(words(command, self.folder))
        self.calls += 1
        said = self.capsys.readouterr().err
        assert code in range(4), (command, changes, said)
        assert "Traceback" not in said, (command, changes, said)
        if command == "table" and code:
            self.refused += 1
            assert str(self.folder / "run") in said, (changes, said)
            assert said.count("\n") == 1, (changes, said)
        return code

    def draw(self, changes: list[Change]) -> None:
        """Draw what was accepted one by one; where it is refused together, in halves."""
        self.write(*changes)
        if self.call("table", *changes):
            assert len(changes) > 1
            self.draw(changes[: len(changes) // 2])
            self.draw(changes[len(changes) // 2 :])
            return
        for command in DRAWING:
            self.call(command, *changes)


def apart(changes: list[Change]) -> list[list[Change]]:
    """Return the changes in groups in which none lies inside another."""
    groups: list[list[Change]] = []
    for change in changes:
        group = next((group for group in groups if len(group) < TOGETHER and not any(map(within(change), group))), None)
        if group is None:
            groups.append([change])
        else:
            group.append(change)
    return groups


def within(change: Change) -> Callable[[Change], bool]:
    """Return whether another change lies inside this one, or this one inside the other."""
    place = change[0]
    return lambda other: place[: len(other[0])] == other[0][: len(place)]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["manifest.json", "rows"])
def test_every_key_of_a_run_gone_or_wrong(
    folder: Path,
    what: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    as_older_versions_wrote: Callable[[Path], dict[str, Path]],
) -> None:
    """Every value at every place for the table; the first that it accepts at each place for all commands."""
    monkeypatch.setattr("isorate.engine.reproduce.run_plan", lambda *args, **more: Run.open(folder / "same"))
    monkeypatch.setattr("os.fsync", lambda handle: None)
    # the same few lines hundreds of times, and to understand one takes longer than to read the run
    parse = app.parse_args
    understood = cache(lambda *line: parse(line))
    monkeypatch.setattr(App, "parse_args", lambda _, line, **__: understood(*line))
    file = folder / "run" / what if what != "rows" else as_older_versions_wrote(folder / "run")["a--jpeg:mode=integer"]
    hostile = Hostile(folder, file, capsys)
    accepted: list[Change] = []
    try:
        for place in places(hostile.good):
            taken = False
            for to in [GONE, *WRONG]:
                hostile.write((place, to))
                if hostile.call("table", (place, to)) or taken:
                    continue
                taken = True
                accepted.append((place, to))
                for command in READERS:
                    hostile.call(command, (place, to))
        assert len(accepted) > 2 * TOGETHER
        for group in apart(accepted):
            hostile.draw(group)
    finally:
        hostile.write()
    assert hostile.calls > 566
    assert hostile.refused > 300
