"""Cells on dask's workers: over loopback, with deaths in the middle."""

import asyncio
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.cli import main
from isorate.codecs.identity import Identity
from isorate.codecs.registry import CodecSpec
from isorate.engine import cluster as clusters
from isorate.engine.cell import PlannedCodec
from isorate.engine.cluster import cluster
from isorate.errors import RunError, UsageError
from isorate.image import Image
from isorate.runs.folder import Run

from .test_execution import rows_written, run_words, small_photos

# every test process collects this file, and loading distributed takes one a second
if find_spec("distributed") is None:
    pytest.skip("distributed is not installed: pip install 'isorate[dask]'", allow_module_level=True)
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
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)

    def kill(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()


@contextmanager
def _machines(folder: Path) -> Iterator[Machines]:
    folder.mkdir()
    found = Machines(folder)
    try:
        yield found
    finally:
        for process in found.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with _machines(tmp_path / "machines") as found:
        yield found


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A scheduler and a worker ``one`` that outlive the test."""
    with _machines(tmp_path_factory.mktemp("lasting") / "machines") as found:
        found.worker("one")
        yield found


def figures(run: Run) -> list[tuple[Any, ...]]:
    return [(*row.key, row.status, row.stream_sha256, row.decoded_sha256, row.psnr) for row in run.rows()]


def started(out: Path, rows: int) -> None:
    until = time.monotonic() + 90
    while rows_written(out) < rows:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.slow
def test_a_worker_and_the_scheduler_that_die_lose_nothing(
    machines: Machines, tmp_path: Path, astronaut: Image, in_process: Executor
) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, COUNT)
    expected = api.run(photos, tmp_path / "here", anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"],
                       use_cache=False, executor=in_process)  # fmt: skip
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
    soon = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}  # how long a dead scheduler is looked for
    going = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=soon)
    started(out, written + 4)
    machines.kill("scheduler")
    errors = going.communicate(timeout=120)[1]
    assert going.returncode == 2, errors.decode()
    assert re.search(
        rf"the executor broke \({clusters.GONE}.*cells not finished; .* run the same command again", errors.decode()
    )
    left = Run.open(out).rows()
    assert all(row.ok for row in left)
    assert len(left) < 2 * COUNT
    again = api.run(photos, out, anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"], use_cache=False,
                    executor=in_process)  # fmt: skip
    assert figures(again) == figures(expected)


@pytest.mark.slow
def test_a_cluster_of_this_machine_takes_silence_for_work(
    two_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import dask

    def there() -> list[Any]:
        return [dask.config.get(name) for name in clusters.PATIENT]

    workers: list[list[Any]] = []

    @contextmanager
    def observed(*given: Any) -> Iterator[Executor]:
        with cluster(*given) as executor:
            assert isinstance(executor, clusters._Cluster)
            workers.append(executor._client.submit(there).result())
            yield executor

    monkeypatch.setattr(clusters, "cluster", observed)
    before = there()
    words = ["run", "--data", two_photos, "--anchor", "jpeg", "--codec", "jpeg2000", "--no-cache",
             "--scheduler", "local", "--workers", 1, "-o", tmp_path / "run"]  # fmt: skip
    assert main([str(word) for word in words]) == 0
    assert "4 rows, 0 failed" in capsys.readouterr().out
    assert workers == [list(clusters.PATIENT.values())]
    assert there() == before


CRASHING = """
import os
from isorate.codecs.jpeg import Jpeg

class Crashing(Jpeg):
    name, label = "crashing", "Crashing"
    def encode(self, image, knob):
        if image[0, 0, 0] == 7:
            os._exit(11)
        return super().encode(image, knob)
"""


@pytest.mark.slow
def test_a_codec_whose_workers_die_costs_its_own_rows_only(
    tmp_path: Path, astronaut: Image, install: Callable[..., dict[str, str]]
) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, 5)
    marked = astronaut[:40, :48].copy()
    marked[0, 0, 0] = 7
    PillowImage.fromarray(marked).save(photos / "002.png")
    points = "[isorate.codecs]\ncrashing = crashing:Crashing"
    # the first death already is held against all cells of the worker
    environment = install(tmp_path / "site", "crashing", points, crashing=CRASHING)
    environment["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "0"
    words = [word for word in run_words(photos, tmp_path / "run") if word not in ("--workers", "2")]
    words += ["--scheduler", "local", "--workers", "1"]
    words += ["--codec", "crashing", "--codec", "webp", "--codec", "crashing:chroma=444"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    rows = Run.open(tmp_path / "run").rows()
    assert len(rows) == 25
    failed = {(row.image, row.codec): row.status for row in rows if not row.ok}
    assert list(failed) == [("002", "crashing"), ("002", "crashing:chroma=444")]
    assert all(
        re.match(r"failed: the worker process died .*; tries: 1, the last at tcp://", status)
        for status in failed.values()
    )


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


@pytest.mark.slow
def test_a_worker_that_cannot_write_costs_no_row(lasting: Machines, tmp_path: Path, astronaut: Image) -> None:
    """As where one machine's disk is full, or the run's folder is read-only there: it would take cell after cell."""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits of another process are Linux's")
    import resource

    photos = small_photos(tmp_path / "photos", astronaut, COUNT)
    lasting.worker("full")
    resource.prlimit(lasting.processes["full"].pid, resource.RLIMIT_FSIZE, (2048, 2048))
    lasting.wait_for(2)
    try:
        with (
            pytest.warns(UserWarning, match=r"the worker at tcp://.* gets no more cells: .*cannot be written"),
            cluster(lasting.address) as executor,
        ):
            run = api.run(photos, tmp_path / "run", anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"],
                          use_cache=False, executor=executor)  # fmt: skip
    finally:
        lasting.kill("full")
    assert [row.ok for row in run.rows()] == [True] * 2 * COUNT


class Relay:
    """Hands on what goes between a client and a scheduler, until it cuts all connections; new ones are taken again."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self.to = host, int(port)
        self.open: list[socket.socket] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                here = self.listening.accept()[0]
            except OSError:  # closed
                return
            there = socket.create_connection(self.to)
            self.open += [here, there]
            for pair in ((here, there), (there, here)):
                threading.Thread(target=self._hand_on, args=pair, daemon=True).start()

    @staticmethod
    def _hand_on(source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                to.sendall(data)
        with suppress(OSError):
            to.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        for one in self.open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_a_connection_that_breaks_off_loses_no_cell(lasting: Machines, tmp_path: Path, astronaut: Image) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, COUNT)
    lasting.wait_for(1)
    relay = Relay(lasting.address)
    cut: list[int] = []

    def cut_once(counts: Mapping[str, int], done: int, total: int) -> None:
        if done == 4 and not cut:
            relay.cut()
            cut.append(done)

    with (
        relay.listening,
        pytest.warns(UserWarning, match="connection to the scheduler broke off"),
        cluster(relay.address) as executor,
    ):
        run = api.run(photos, tmp_path / "run", anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"],
                      use_cache=False, executor=executor, progress=cut_once)  # fmt: skip
    assert cut
    assert [row.ok for row in run.rows()] == [True] * 2 * COUNT


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


class Lossy:
    """A client that loses what it is given, as often as is said; what comes then is done at once."""

    def __init__(self, lost: Sequence[Call], status: str = "running", status_then: str = "running") -> None:
        self.lost, self.status, self.status_then = list(lost), status, status_then
        self.given = 0

    def submit(self, fn: Any, run_cell: Callable[[Any], Any], cell: Any, **how: Any) -> "Lossy":
        self.given += 1
        self.now = self.lost.pop(0) if self.lost else Call("finished", run_cell(cell))
        return self

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.status = self.status_then
        callback(self.now)


LOST = [
    Call("cancelled", None),
    Call("lost", None),
    Call("finished", OSError("the connection broke off while the result came")),
    Call("finished", asyncio.CancelledError()),
]


@pytest.mark.filterwarnings("ignore:the connection to the scheduler broke off")
@pytest.mark.parametrize("lost", LOST, ids=["cancelled", "lost", "connection", "closing"])
def test_what_is_lost_is_sent_again_while_there_is_a_scheduler(lost: Call) -> None:
    client = Lossy([lost] * 3)
    assert clusters._Cluster(client).submit(lambda cell: cell + 1, 1).result(timeout=0) == 2
    assert client.given == 4
    client = Lossy([lost] * 4)
    with pytest.raises(BrokenExecutor, match=clusters.GONE):
        clusters._Cluster(client).submit(lambda cell: cell + 1, 1).result(timeout=0)
    client = Lossy([lost], status_then="closed")
    with pytest.raises(BrokenExecutor, match=clusters.GONE):
        clusters._Cluster(client).submit(lambda cell: cell + 1, 1).result(timeout=0)
    assert client.given == 1


def test_what_a_client_forgets_as_it_closes_ends_too() -> None:
    class Closing(Lossy):
        def add_done_callback(self, callback: Callable[[Any], None]) -> None:
            self.status = "closing"

    with pytest.raises(BrokenExecutor, match=clusters.GONE):
        clusters._Cluster(Closing([])).submit(lambda cell: cell, 1).result(timeout=0)


def test_a_cell_that_fails_there_is_sent_once() -> None:
    client = Lossy([Call("error", KeyError("the cell's own"))])
    with pytest.raises(KeyError):
        clusters._Cluster(client).submit(lambda cell: cell, 1).result(timeout=0)
    assert client.given == 1


@pytest.mark.parametrize(("refusing", "workers", "given"), [(3, 3, 3), (9, 9, clusters.SENT_AT_MOST)])
def test_a_cell_that_no_worker_makes_sets_none_aside(refusing: int, workers: int, given: int) -> None:
    class Workers(Lossy):
        def nthreads(self) -> dict[str, int]:
            return dict.fromkeys(map(str, range(workers)), 1)

    client = Workers([Call("error", clusters.RefusedError("damaged", str(number))) for number in range(refusing)])
    executor = clusters._Cluster(client)
    with pytest.raises(RunError, match="damaged"):
        executor.submit(lambda cell: cell, 1).result(timeout=0)
    assert client.given == given
    assert not executor._aside


def test_a_refusal_travels() -> None:
    there = pickle.loads(pickle.dumps(clusters.RefusedError("full", "tcp://a:1")))
    assert (str(there), there.worker) == ("full", "tcp://a:1")


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
