import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.cli import main
from isorate.errors import RunError
from isorate.gate import accept
from isorate.gate.accept import make_baseline, write_baseline
from isorate.gate.baseline import Baseline, lines_of_rows
from isorate.gate.slopes import Measurement, between
from isorate.runs.folder import Run
from isorate.runs.row import Row


def test_a_baseline_is_read_back_and_has_a_row_a_line(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run, file = make_run(), tmp_path / "b.json"
    written = write_baseline(run, file, probe=False)
    assert Baseline.read(file) == written
    text = file.read_text()
    assert json.loads(text)["isorate_baseline"] == 1
    assert len(text) < 25_000
    lines = text.splitlines()
    for key, number in lines_of_rows(file).items():
        row = json.loads(lines[number - 1].rstrip(","))
        assert (row["image"], row["point"], row["codec"]) == key
    assert len(lines_of_rows(file)) == 96


def test_a_changed_row_changes_one_line(
    make_run: Callable[..., Run], tmp_path: Path, only: Callable[..., Callable[[Row], Row]]
) -> None:
    file = tmp_path / "b.json"
    write_baseline(make_run("a"), file, probe=False)
    before = file.read_text().splitlines()
    write_baseline(make_run("b", only(psnr=lambda v: v + 1)), file, probe=False)
    after = file.read_text().splitlines()
    assert len(before) == len(after)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


@pytest.mark.parametrize(("text", "said"), [
    ("{", "cannot be read"),
    ("[]", "no baseline"),
    ("{}", "no baseline"),
    ('{"isorate_baseline": 99}', "schema 99"),
    ('{"isorate_baseline": 1}', "damaged"),
    ('{"isorate_baseline": 1, "codecs": 3, "images": {}, "rows": []}', "damaged"),
])  # fmt: skip
def test_what_is_no_baseline_is_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "b.json"
    file.write_text(text)
    with pytest.raises(RunError, match=said):
        Baseline.read(file)


@pytest.mark.parametrize("field", ["psnr", "ms_ssim", "bytes"])
@pytest.mark.parametrize("value", [float("nan"), -float("inf")])
def test_a_number_that_cannot_be_switches_no_gate_off(
    make_run: Callable[..., Run], tmp_path: Path, field: str, value: float
) -> None:
    file = tmp_path / "b.json"
    write_baseline(make_run(images=1), file, probe=False)
    data = json.loads(file.read_text())
    assert field in data["rows"][0]
    data["rows"][0][field] = value
    file.write_text(json.dumps(data))
    with pytest.raises(RunError, match=r"b\.json.*restore it"):
        Baseline.read(file)


def test_a_baseline_without_rows_switches_no_gate_off(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run, file = make_run(images=1), tmp_path / "b.json"
    write_baseline(run, file, probe=False)
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "rows": []}))
    assert main(["check", str(run.path), "--baseline", str(file)]) == 3


def twice(data: dict[str, Any]) -> None:
    data["rows"].append({**data["rows"][1], "psnr": 1.0})


@pytest.mark.parametrize(("damage", "said"), [
    (twice, "the row of kodim01, bpg-qp37, jpeg2000 is there 2 times"),
    (lambda data: data["images"].pop("kodim01"), "rows of images that are not listed: kodim01"),
    (lambda data: data["codecs"].pop("jpeg"), "rows of codecs that are not listed: jpeg"),
    (lambda data: data["rows"][0].update(metrics={"vmaf": 1.0}), "has vmaf, which metrics does not list"),
    (lambda data: data["rows"][0].update(slopes={"vmaf": 1.0}), "has vmaf, which metrics does not list"),
])  # fmt: skip
def test_rows_that_contradict_the_head_or_each_other_switch_no_gate_off(
    make_run: Callable[..., Run],
    tmp_path: Path,
    damage: Callable[[dict[str, Any]], object],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, file = make_run(images=1), tmp_path / "b.json"
    write_baseline(run, file, probe=False)
    data = json.loads(file.read_text())
    damage(data)
    file.write_text(json.dumps(data))
    assert main(["check", str(run.path), "--baseline", str(file)]) == 3
    told = capsys.readouterr().err
    assert f"{file}: damaged baseline (" in told
    assert said in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("line", [' "kodim01": {', ' "jpeg": {', '"rows": ['])
def test_a_key_that_a_merge_left_twice_switches_no_gate_off(
    make_run: Callable[..., Run], tmp_path: Path, line: str
) -> None:
    file = tmp_path / "b.json"
    write_baseline(make_run(images=1), file, probe=False)
    lines = file.read_text().splitlines()
    at = next(number for number, some in enumerate(lines) if some.startswith(line))
    again = [lines[at].rstrip(",") + ","] if line[0] == " " else ['"rows": [],']
    file.write_text("\n".join([*lines[:at], *again, *lines[at:]]))
    with pytest.raises(RunError, match=r"b\.json.* is there twice"):
        Baseline.read(file)


@pytest.mark.parametrize("value", ["1", True, 0, -5, None])
def test_rows_that_are_no_numbers_are_told(
    make_run: Callable[..., Run], tmp_path: Path, value: bool | int | str | None
) -> None:
    file = tmp_path / "b.json"
    write_baseline(make_run(images=1), file, probe=False)
    data = json.loads(file.read_text())
    data["rows"][0]["bytes"] = value
    file.write_text(json.dumps(data))
    with pytest.raises(RunError, match="damaged baseline"):
        Baseline.read(file)


def test_a_run_that_failed_or_is_not_finished_makes_no_baseline(
    make_run: Callable[..., Run], only: Callable[..., Callable[[Row], Row]]
) -> None:
    with pytest.raises(RunError, match=r"1 cells failed .*kodim02, jpeg: failed: x"):
        make_baseline(make_run("a", only(status="failed: x")))
    with pytest.raises(RunError, match="95 of 96 rows"):
        make_baseline(make_run("b", lambda r: None if (r.image, r.codec) == ("kodim05", "bpg") else r))


def test_slopes_are_measured_by_a_second_encode(two_photos: Path, tmp_path: Path, in_process: Executor) -> None:
    run = api.run(
        str(two_photos), tmp_path / "run", anchor="jpeg:mode=integer", codecs=["jpeg2000"], points=["quality=30"],
        executor=in_process,
    )  # fmt: skip
    with ThreadPoolExecutor(1) as executor:
        made = make_baseline(run, executor=executor)
    for row in made.rows:
        assert row.slope_from == "probe"
        assert row.psnr_slope is not None
        assert row.ms_ssim_slope is not None
        assert 0.5 < row.psnr_slope < 8
        assert 0 < row.ms_ssim_slope < 0.2
    again = make_baseline(run, made)  # the slopes of unchanged files are kept, nothing is encoded
    assert again == made
    bare = make_baseline(run)
    assert {row.slope_from for row in bare.rows} == {""}


LEAVING = '''
import os
from isorate.codecs.jpeg import Jpeg

class Leaving(Jpeg):
    """Takes its process along, where it is told to."""
    name, label = "leaving", "Leaving"
    def encode(self, image, knob):
        if "LEAVE" in os.environ:
            os._exit(11)
        return super().encode(image, knob)
'''


@pytest.mark.slow
def test_a_codec_whose_worker_dies_costs_its_own_slopes_only(
    two_photos: Path, tmp_path: Path, install: Callable[..., dict[str, str]]
) -> None:
    environment = install(tmp_path / "site", "leaving", "[isorate.codecs]\nleaving = leaving:Leaving", leaving=LEAVING)

    def isorate(*words: object, **more: str) -> None:
        command = [sys.executable, "-m", "isorate", *map(str, words)]
        done = subprocess.run(command, env=environment | more, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    out, file = tmp_path / "run", tmp_path / "baseline.json"
    isorate("run", "--data", two_photos, "--image", "coffee", "--anchor", "jpeg", "--point", "quality=30",
            "--codec", "leaving", "--codec", "jpeg2000", "-o", out, "--no-cache", "--workers", 2)  # fmt: skip
    isorate("baseline", out, "-o", file, "--workers", 2, LEAVE="1")
    slopes = {(row.image, row.codec): row.slope_from for row in Baseline.read(file).rows}
    assert len(slopes) == 3
    assert all((source == "") == (codec == "leaving") for (_, codec), source in slopes.items())


def test_only_what_was_with_a_worker_that_died_is_measured_alone(
    make_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was every row that was left, each in a process of its own."""
    pools: list[int] = []
    inside = most = 0

    class Pool(ThreadPoolExecutor):
        """Breaks as a pool of processes does: with what waits in it, and for all that comes."""

        def __init__(self, workers: int) -> None:
            super().__init__(1)
            pools.append(workers)
            self.broken = False

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            nonlocal inside, most
            if self.broken:
                raise BrokenProcessPool
            inside += 1
            most = max(most, inside)
            return super().submit(self._through, fn, *args)

        def _through(self, fn: Callable[..., Any], task: Any) -> Any:
            nonlocal inside
            inside -= 1
            self.broken |= task.row.codec == "jpeg2000" and task.row.image in ("kodim03", "kodim20")
            if self.broken:
                raise BrokenProcessPool
            return fn(task)

    slope = between(Measurement(10_000, 30.0, 0.9), Measurement(20_000, 33.0, 0.95))
    monkeypatch.setattr(accept, "_measure", lambda task: slope)
    monkeypatch.setattr(accept, "worker_pool", Pool)
    made = write_baseline(make_run(change=_plain_codecs), tmp_path / "b.json", workers=2)
    assert [(row.image, row.codec) for row in made.rows if row.slope_from != "probe"] == [
        ("kodim03", "jpeg2000"), ("kodim20", "jpeg2000"),
    ]  # fmt: skip
    assert pools.count(2) <= 3
    assert pools.count(1) <= 4
    assert most <= 3


def _plain_codecs(manifest: dict[str, Any]) -> None:
    for codec in manifest["codecs"]:
        codec["spec"], codec["options"] = "jpeg", {}


def test_slopes_that_mean_nothing_are_not_taken() -> None:
    here = Measurement(10_000, 30.0, 0.9)
    assert between(here, Measurement(10_001, 31.0, 0.91)) is None
    assert between(here, Measurement(90_000, 40.0, 0.99)) is None
    plain = between(here, Measurement(20_000, 33.0, 0.95))
    worse = between(here, Measurement(20_000, 29.0, None))
    perfect = between(here, Measurement(20_000, float("inf"), 1.0))
    assert plain is not None
    assert worse is not None
    assert perfect is not None
    assert plain.psnr == 3.0
    assert (worse.psnr, worse.ms_ssim) == (0.0, None)
    assert perfect.psnr is None
