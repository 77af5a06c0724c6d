"""Cells on dask's workers: over loopback, with deaths in the middle."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isorate import api
from isorate.cli import main
from isorate.codecs.identity import Identity
from isorate.codecs.registry import CodecSpec
from isorate.engine import cluster as clusters
from isorate.engine.cell import PlannedCodec
from isorate.engine.cluster import cluster
from isorate.errors import UsageError
from isorate.image import Image
from isorate.runs.folder import Run

from .test_execution import rows_written, run_words, small_photos

distributed = pytest.importorskip("distributed", reason="distributed is not installed: pip install 'isorate[dask]'")
COUNT = 24


@pytest.fixture(autouse=True)
def _as_in_a_new_process() -> Iterator[None]:
    clusters._own.cache_clear()
    yield
    clusters._own.cache_clear()


class Machines:
    """A scheduler and its workers, each a process as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start("scheduler", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
                   "--scheduler-file", self.file)  # fmt: skip

    def start(self, name: str, module: str, *words: object) -> None:
        given = [sys.executable, "-m", module, "--no-dashboard", *map(str, words)]
        self.processes[name] = subprocess.Popen(
            given, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def worker(self, name: str, *words: object) -> None:
        self.start(name, "distributed.cli.dask_worker", "--scheduler-file", self.file, "--nthreads", 1, "--name", name,
                   "--no-nanny", "--host", "127.0.0.1", *words)  # fmt: skip

    @property
    def address(self) -> str:
        import json

        until = time.monotonic() + 60
        while not self.file.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        found: str = json.loads(self.file.read_text())["address"]
        return found

    def wait_for(self, workers: int) -> None:
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    folder = tmp_path / "machines"
    folder.mkdir()
    found = Machines(folder)
    yield found
    for process in found.processes.values():
        process.kill()
        process.wait()


def figures(run: Run) -> list[tuple[Any, ...]]:
    return [(*row.key, row.status, row.stream_sha256, row.decoded_sha256, row.psnr) for row in run.rows()]


def started(out: Path, rows: int) -> None:
    until = time.monotonic() + 90
    while rows_written(out) < rows:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
def test_a_worker_and_the_scheduler_that_die_lose_nothing(machines: Machines, tmp_path: Path, astronaut: Image) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, COUNT)
    expected = api.run(photos, tmp_path / "here", anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"],
                       use_cache=False, workers=1)  # fmt: skip
    for name in ("first", "second"):
        machines.worker(name)
    machines.wait_for(2)
    out = tmp_path / "run"
    words = [word for word in run_words(photos, out, "--scheduler", machines.address) if word not in ("--workers", "2")]
    going = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started(out, 10)
    machines.kill("first")
    said, errors = going.communicate(timeout=120)
    assert going.returncode == 0, errors.decode()
    assert f"{2 * COUNT} rows, 0 failed" in said.decode()
    assert figures(Run.open(out)) == figures(expected)

    done = Run.open(out)
    done.remove_rows([row.key for row in done.rows()][::2])
    written = rows_written(out)
    going = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    started(out, written + 4)
    machines.kill("scheduler")
    going.communicate(timeout=120)
    assert going.returncode == 1
    reasons = {row.status for row in Run.open(out).rows() if not row.ok}
    assert reasons == {"failed: the executor broke before this cell was done; run the same command again"}
    again = api.run(photos, out, anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"], use_cache=False, workers=1)
    assert figures(again) == figures(expected)


@pytest.mark.slow
def test_a_cluster_of_this_machine(two_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--data", two_photos, "--anchor", "jpeg", "--codec", "jpeg2000", "--no-cache",
             "--scheduler", "local", "--workers", 1, "-o", tmp_path / "run"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    assert "4 rows, 0 failed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("isorate.engine.cluster.metrics_identity", "the metrics: their code changed"),
        ("isorate.codecs.identity._libraries", "jpeg2000: code or libraries changed"),
    ],
)
def test_a_worker_with_another_tool_chain_makes_no_rows(
    change: str, said: str, two_photos: Path, tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        """An executor whose workers are not what the manifest says."""

        def submit(self, fn: Callable[..., Any], *args: Any) -> Any:
            monkeypatch.setattr(change, lambda: "another")
            clusters._own.cache_clear()
            return in_process.submit(clusters._as_planned, fn, *args)

    run = api.run(two_photos, tmp_path / "run", anchor="jpeg", codecs=["jpeg2000"], executor=Elsewhere())  # type: ignore[arg-type]
    assert len(run.rows()) == 4
    assert all(row.status.startswith("failed: this worker is not the run's tool chain") for row in run.rows())
    assert all(said in row.status for row in run.rows())


def test_a_worker_that_lives_on_is_held_against_the_manifest_of_now(
    two_photos: Path, tmp_path: Path, in_process: Any
) -> None:
    manifest = api.run(two_photos, tmp_path / "run", anchor="jpeg", codecs=[], executor=in_process).manifest
    planned = (PlannedCodec(CodecSpec.parse("jpeg"), "jpeg", "JPEG"),)
    assert clusters._unlike(manifest, planned) == ""
    renewed = replace(manifest, codecs=(replace(manifest.codecs[0], identity=Identity("1", "2")),))
    assert clusters._unlike(renewed, planned) == "jpeg: code or libraries changed"


class Call:
    """What became of a call on a cluster, in place of one that a scheduler knew."""

    def __init__(self, status: str, outcome: Any) -> None:
        self.status, self.outcome = status, outcome

    def exception(self) -> Any:
        return self.outcome

    def result(self) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call("error", KeyError("the cell's own")), KeyError),
        (Call("cancelled", None), BrokenExecutor),
        (Call("lost", None), BrokenExecutor),
        (Call("finished", OSError("the scheduler died while it sent the result")), BrokenExecutor),
        (Call("finished", asyncio.CancelledError()), BrokenExecutor),
    ],
    ids=["error", "cancelled", "lost", "connection", "closing"],
)
def test_every_call_ends(call: Call, expected: type[BaseException]) -> None:
    outcome: Future[Any] = Future()
    clusters._hand_on(call, outcome)
    assert type(outcome.exception(timeout=0)) is expected


def test_a_result_is_handed_on() -> None:
    outcome: Future[Any] = Future()
    clusters._hand_on(Call("finished", [1]), outcome)
    assert outcome.result(timeout=0) == [1]


def test_what_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECT_S", 0.2)
    with (
        pytest.raises(UsageError, match=r"tcp://127.0.0.1:9: no dask scheduler answers there"),
        cluster("tcp://127.0.0.1:9"),
    ):
        pass
    with (
        pytest.raises(UsageError, match="--workers 3: the scheduler at tcp://a:1 has its own"),
        cluster("tcp://a:1", 3),
    ):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'isorate\[dask\]'"), cluster("local"):
        pass
