"""What a run writes it can read: what it cannot hold is refused before anything of an earlier run is touched."""

import hashlib
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.cli import main
from isorate.codecs.base import Knob, Option
from isorate.codecs.command_line import CommandLine
from isorate.codecs.jpeg import Jpeg
from isorate.errors import RunError, UsageError
from isorate.image import Image
from isorate.runs.folder import Run

NAN = float("nan")


@dataclass(frozen=True)
class Odd(Jpeg):
    """A codec of another package that says odd things of itself."""

    name, label = "odd", "Odd"
    low: float = field(default=1, compare=False)
    says: Any = field(default=1, compare=False)
    header: Any = field(default=None, compare=False)

    @property
    def knob(self) -> Knob:
        return replace(super().knob, low=self.low)

    @property
    def options(self) -> dict[str, Option]:
        return {"says": self.says}

    def header_bytes(self, data: bytes) -> int | None:
        found: int | None = self.header
        return found

    def __hash__(self) -> int:
        return id(self)


def started(photos: Path, out: Path, executor: Executor, **changes: Any) -> Run:
    given: dict[str, Any] = {"anchor": "jpeg", "codecs": ["webp"], "points": ["quality=20"], "images": ["coffee"]}
    return api.run(photos, out, executor=executor, **given | changes)


def content(folder: Path) -> dict[str, str]:
    """Return the checksums of all files of a run."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(("changes", "said"), [
    ({"match": "psnr", "points": ["psnr=inf"]}, "point 'psnr=inf': psnr takes a number above 0, to 1e"),
    ({"match": "psnr", "points": ["psnr=1e300"]}, "point 'psnr=1e300': psnr takes"),
    ({"match": "psnr", "curve_points": ["psnr=1e300"]}, "point 'psnr=1e300': psnr takes"),
    ({"match": "ssim", "points": ["ssim=inf"]}, "point 'ssim=inf': ssim takes a number below 1"),
    ({"match": "ciede2000", "points": ["ciede2000=inf"]}, "point 'ciede2000=inf': ciede2000 takes"),
    ({"match": "psnr", "tolerance_quality": 1e16}, "tolerance of 1e+16 in psnr: a number above 0 is needed, 1e"),
    ({"match": "psnr", "tolerance_quality": NAN}, "tolerance of nan in psnr: a number"),
    ({"codecs": [Odd(low=NAN)]}, "codec odd: the knob's low is nan; a number from -1e"),
    ({"codecs": [Odd(low=-1e308)]}, "codec odd: the knob's low is -1e+308; a number"),
    ({"codecs": [Odd(low=1000)]}, "codec odd: the knob's range 1000..100 is empty"),
    ({"codecs": [Odd(says=NAN)]}, "codecs[1].options.says is nan, not a finite number"),
    ({"codecs": [Odd(says=[1])]}, "codecs[1].options[...]: expected"),
    ({"codecs": [Odd(says="\ud800")]}, "surrogates not allowed"),
])  # fmt: skip
def test_what_no_run_can_hold_is_refused_and_costs_nothing(
    two_photos: Path, tmp_path: Path, in_process: Executor, changes: dict[str, Any], said: str, overwrite: bool
) -> None:
    out = tmp_path / "run"
    before = started(two_photos, out, in_process).rows()
    files = content(out)
    with pytest.raises(UsageError) if overwrite else pytest.raises((UsageError, RunError)) as error:
        started(two_photos, out, in_process, overwrite=overwrite, **changes)
    assert content(out) == files
    assert Run.open(out).rows() == before
    with pytest.raises(UsageError) as error:
        started(two_photos, tmp_path / "new", in_process, **changes)
    assert said in str(error.value)
    assert not (tmp_path / "new").exists()


def test_a_changed_tool_chain_that_no_manifest_can_hold_costs_no_row(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = started(two_photos, tmp_path / "run", in_process).rows()
    monkeypatch.setattr(Jpeg, "backend", "\ud800")
    with pytest.raises(UsageError, match="surrogates not allowed"):
        started(two_photos, tmp_path / "run", in_process)
    assert Run.open(tmp_path / "run").rows() == before


def test_the_command_refuses_in_one_line(
    two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--data", str(two_photos), "--anchor", "jpeg", "--codec", "webp", "-o", "run", "--match", "psnr"]
    for more in (["--point", "psnr=inf"], ["--point", "psnr=1e300"], ["--point", "quality=20", "--tolerance", "1e16"]):
        assert main([*words, *more]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("header", "said"), [
    (-1, "header_bytes: expected `int` >= 0"), (NAN, "header_bytes is nan"), (b"9", "not JSON serializable"),
])  # fmt: skip
def test_a_row_that_nobody_could_read_is_a_failed_one(
    two_photos: Path, tmp_path: Path, in_process: Executor, header: object, said: str
) -> None:
    done = started(two_photos, tmp_path / "run", in_process, codecs=["webp", Odd(header=header)], use_cache=False)
    assert [row.ok for row in done.rows()] == [True, True, False]
    assert said in done.rows()[2].status
    assert "failed: its codec or a metric gave what no row can hold" in done.rows()[2].status


@pytest.mark.parametrize(("value", "ok"), [(1e16, False), (NAN, False), (float("-inf"), False), (float("inf"), True)])
def test_a_metric_that_no_row_can_hold_fails_the_row(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch, value: float, ok: bool
) -> None:
    from isorate.metrics.ciede2000 import Ciede2000

    def measure(*_: object) -> float:
        return value

    monkeypatch.setattr(Ciede2000, "measure", measure)
    done = started(two_photos, tmp_path / "run", in_process, codecs=[], metrics=["ciede2000"], use_cache=False)
    assert [row.ok for row in done.rows()] == [ok]


def test_a_definition_is_held_to_what_a_run_can_hold(astronaut: Image) -> None:
    def line(**changes: Any) -> CommandLine:
        knob = Knob("q", 1, 9, integer=True, rising=True)
        given: dict[str, Any] = {"knob": knob, "encode": "x {q} {input} {output}"}
        return CommandLine("x", "X", ".png", **given | changes)

    line().check()
    for changes in (
        {"timeout": float("inf")}, {"timeout": NAN}, {"timeout": 1e7},
        {"knob": Knob("q", -1e308, 1e308, integer=True, rising=True)},
    ):  # fmt: skip
        with pytest.raises(UsageError, match=r"codec x: "):
            line(**changes).check()
