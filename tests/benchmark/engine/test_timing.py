"""Times that are measured alone."""

import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.cli import main
from isorate.codecs.jpeg import Jpeg
from isorate.engine import alone, timing
from isorate.engine.execution import DIED
from isorate.engine.timing import time_run
from isorate.errors import CodecError, RunError, UsageError
from isorate.image import Image
from isorate.matching.outcome import Match
from isorate.runs.folder import Run


@pytest.fixture
def run(two_photos: Path, tmp_path: Path, in_process: Executor) -> Run:
    timing._codec.cache_clear()
    return api.run(
        str(two_photos), tmp_path / "run", anchor="jpeg", codecs=["jpeg2000"], points=["quality=20", "quality=60"],
        executor=in_process,
    )  # fmt: skip


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(timing).failed == 0


def test_every_row_is_made_again_as_often_as_asked(
    run: Run, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, float]] = []
    encode, decode = Jpeg.encode, Jpeg.decode

    def counted(self: Jpeg, image: Image, knob: float) -> bytes:
        calls.append(("encode", knob))
        return encode(self, image, knob)

    def decoded(self: Jpeg, data: bytes) -> Image:
        calls.append(("decode", 0))
        return decode(self, data)

    monkeypatch.setattr(Jpeg, "encode", counted)
    monkeypatch.setattr(Jpeg, "decode", decoded)
    seen: list[tuple[int, int]] = []
    times = time_run(run, 3, executor=in_process, progress=lambda done, total: seen.append((done, total)))
    assert [(row.image, row.point, row.codec) for row in times.rows] == [row.key for row in run.rows()]
    for row, there in zip(times.rows, run.rows(), strict=True):
        assert (len(row.encode_s), len(row.decode_s)) == (3, 3)
        assert min(*row.encode_s, *row.decode_s) > 0
        assert row.same_file
        assert not row.whole_fit
        assert row.pixels == there.width * there.height
    timed = calls[8:]  # each of four rows was made once before
    assert sorted(calls[:8:2]) == [("encode", 20.0), ("encode", 20.0), ("encode", 60.0), ("encode", 60.0)]
    assert len(timed) == 4 * 6
    in_order = sorted(timed)
    assert timed not in (in_order, in_order[::-1])
    assert seen[-1] == (8 * 8, 8 * 8)
    first, calls[:] = list(calls), []
    time_run(run, 3, executor=in_process)
    assert calls == first  # the order is the seed's
    calls.clear()
    time_run(run, 3, executor=in_process, seed=1)
    assert calls != first


def test_a_part_of_a_run(run: Run, in_process: Executor) -> None:
    image = run.rows()[0].image
    times = time_run(run, 1, codecs=["jpeg2000"], images=[image], executor=in_process)
    assert [(row.image, row.codec) for row in times.rows] == [(image, "jpeg2000")] * 2
    with pytest.raises(UsageError, match="has no codec bpg; it has jpeg, jpeg2000"):
        time_run(run, codecs=["bpg"], executor=in_process)
    with pytest.raises(UsageError, match="0 repeats"):
        time_run(run, 0, executor=in_process)
    for row in run.rows():
        run.write_row(replace(row, status="failed: gone"))
    with pytest.raises(RunError, match="no successful row to be timed"):
        time_run(run, executor=in_process)


def test_a_codec_that_fails_is_named_and_the_others_are_timed(
    run: Run, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> bytes:
        raise CodecError("jpeg: no more")

    monkeypatch.setattr(Jpeg, "encode", broken)
    times = time_run(run, 1, executor=in_process)
    assert {(row.codec, row.error, bool(row.encode_s)) for row in times.rows} == {
        ("jpeg", "jpeg: no more", False), ("jpeg2000", "", True),
    }  # fmt: skip


LEAVING = '''
import os
from isorate.codecs.jpeg import Jpeg

calls = []

class Leaving(Jpeg):
    """Writes its calls down, where it is told to, and takes its process along at one of them."""
    name, label = "leaving", "Leaving"
    def encode(self, image, knob):
        if "LEAVE" in os.environ:
            call = f"{image.shape[0]} {knob}"
            calls.append(call)
            with open("calls", "a") as file:
                print(os.getpid(), call, sep=",", file=file)
            if calls.count("170 20.0") == int(os.environ["LEAVE"]):
                os._exit(3)
        return super().encode(image, knob)
'''


@pytest.mark.slow
@pytest.mark.parametrize("call", [1, 2])
def test_a_codec_whose_process_dies_costs_its_own_row_only(
    two_photos: Path, tmp_path: Path, call: int, install: Callable[..., dict[str, str]]
) -> None:
    environment = install(tmp_path / "site", "leaving", "[isorate.codecs]\nleaving = leaving:Leaving", leaving=LEAVING)

    def isorate(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "isorate", *map(str, words)]
        return subprocess.run(
            command, env=environment | more, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    out = tmp_path / "run"
    done = isorate("run", "--data", two_photos, "--anchor", "leaving", "--point", "quality=20", "--point", "quality=60",
                   "--codec", "jpeg2000", "-o", out, "--no-cache", "--workers", 1)  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = isorate("time", out, "--repeat", 4, LEAVE=str(call))
    assert done.returncode == 1, done.stderr
    rows = json.loads((out / "times.json").read_text())["rows"]
    assert [(row["image"], row["point"], row["codec"], row["error"]) for row in rows if row["error"]] == [
        ("coffee", "leaving-quality20", "leaving", DIED)
    ]
    timed = [row for row in rows if not row["error"]]
    assert len(timed) == 7
    assert all(len(row["encode_s"]) == len(row["decode_s"]) == 4 for row in timed)
    calls = [line.split(",") for line in (tmp_path / "calls").read_text().splitlines()]
    assert len({process for process, _ in calls}) == 2
    for encode in {encode for _, encode in calls if encode != "170 20.0"}:
        processes = [process for process, made in calls if made == encode]
        assert len(processes) == 4 + len(set(processes)), "once untimed in each process"


@pytest.mark.parametrize("before", [3, 13])
def test_a_process_that_dies_between_two_calls_costs_no_row(
    run: Run, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """As where a codec leaves something behind: the call after it, of another row, has not begun."""
    calls: list[list[tuple[str, Any]]] = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, workers: int) -> None:
            super().__init__(workers)
            calls.append([])

        def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            if len(calls) == 1 and len(calls[0]) == before:
                raise BrokenExecutor("gone")
            calls[-1].append((fn.__name__, args[0].row.key))
            return super().submit(fn, *args, **kwargs)

    monkeypatch.setattr(alone, "worker_pool", Pool)
    times = time_run(run, 2)
    assert [(row.error, len(row.encode_s), len(row.decode_s)) for row in times.rows] == [("", 2, 2)] * 8
    assert len(calls) == 2
    for row in {row for _, row in calls[1]}:
        made = [name for name, of in calls[1] if of == row]
        assert made[0] == "_prepare"
        assert made.count("_prepare") == 1


def test_a_given_executor_that_breaks_is_told(run: Run) -> None:
    class Broken(Executor):
        def submit(self, *_: Any, **__: Any) -> Any:
            lost: Future[Any] = Future()
            lost.set_exception(BrokenExecutor("gone"))
            return lost

    with pytest.raises(RunError, match=r"the executor broke \(gone\); give another one, or none"):
        time_run(run, 1, executor=Broken())


@dataclass(frozen=True)
class Fitted(Jpeg):
    """A JPEG with a byte behind its end that only a fit to a size adds."""

    def encode_to_size(self, image: Image, num_bytes: float, **how: Any) -> tuple[bytes, Match]:
        data, found = super().encode_to_size(image, num_bytes, **how)
        return data + b"!", found


def test_a_file_that_was_fitted_to_its_size_is_timed_with_the_fit(
    run: Run, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = []
    fit = Fitted.encode_to_size

    def counted(self: Fitted, image: Image, num_bytes: float, **how: Any) -> tuple[bytes, Match]:
        fits.append(num_bytes)
        return fit(self, image, num_bytes, **how)

    monkeypatch.setattr(Fitted, "encode_to_size", counted)
    monkeypatch.setattr(timing, "_codec", lambda spec: Fitted())
    row = next(row for row in run.rows() if row.codec == "jpeg")
    run.write_row(replace(row, stream_sha256="of a fitted file"))
    times = time_run(run, 2, codecs=["jpeg"], images=[row.image], executor=in_process)
    assert [(timed.whole_fit, timed.same_file) for timed in times.rows] == [(True, False), (False, True)]
    assert fits == [row.num_bytes] * 3


def columns(what: str) -> list[str]:
    return [what, "s", "of", "files", "repeats"]


def test_the_command(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["time", str(run.path), "--repeat", "2"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["codec", "files", *columns("encode"), *columns("decode")]
    assert [line.split()[:2] for line in printed.splitlines()[1:3]] == [["jpeg", "4"], ["jpeg2000", "4"]]
    assert "Medians of 2 repeats on one thread, alone" in printed
    data = json.loads((run.path / "times.json").read_text())
    assert (data["repeats"], len(data["rows"])) == (2, 8)
    assert all(len(row["encode_s"]) == len(row["decode_s"]) == 2 for row in data["rows"])
    assert main(["time", str(run.path), "--codec", "bpg"]) == 2
    out = tmp_path / "elsewhere.json"
    assert main(["time", str(run.path), "--repeat", "1", "--codec", "jpeg", "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_text())
