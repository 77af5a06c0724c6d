"""Whatever a stranger's run folder says, a command that reads it works or tells one error: never a traceback."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.cli import main
from isorate.gate.accept import write_baseline
from isorate.image import Image
from isorate.runs.folder import Run

WRONG: list[Any] = [None, True, -1, 1e14, "x", [], {}, float("nan"), float("inf"), [[]], {"x": [None]}]
READERS = ("table", "check", "baseline", "compare")
DRAWING = ("report", "figures", "reproduce")
GONE = object()


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


def changed(value: Any, place: tuple[Any, ...], to: Any) -> Any:
    copied = json.loads(json.dumps(value))
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


@pytest.mark.slow
@pytest.mark.parametrize("what", ["manifest.json", "rows"])
def test_every_key_of_a_run_gone_or_wrong(
    folder: Path, what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value at every place for the table; the first that it accepts at each place for all commands."""
    monkeypatch.setattr("isorate.engine.reproduce.run_plan", lambda *args, **more: Run.open(folder / "same"))
    monkeypatch.setattr("os.fsync", lambda handle: None)
    file = folder / "run" / what if what != "rows" else next((folder / "run" / "rows").glob("*integer*"))
    text = file.read_text()
    refused = calls = 0
    try:
        for place in places(json.loads(text)):
            drawn = 0
            for to in [GONE, *WRONG]:
                file.write_text(json.dumps(changed(json.loads(text), place, to)))
                codes = [main(words("table", folder))]
                said = capsys.readouterr().err
                if codes[0]:
                    refused += 1
                    assert str(folder / "run") in said, (place, to, said)
                    assert said.count("\n") == 1, (place, to, said)
                more = (*READERS[1:], *DRAWING) if not codes[0] and not drawn else ()
                drawn += not codes[0]
                for command in more:
                    code = main(words(command, folder))
                    assert code in range(4), (place, to, command)
                    assert "Traceback" not in capsys.readouterr().err, (place, to, command)
                calls += 1 + len(more)
    finally:
        file.write_text(text)
    assert calls > 300
    assert refused > 150
