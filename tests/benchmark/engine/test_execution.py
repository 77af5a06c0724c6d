"""What becomes of cells and processes when something dies."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.cli import main
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.engine import execution, workers
from isorate.engine.cell import Cell, RowOutcome, run_cell
from isorate.errors import RunError
from isorate.image import Image
from isorate.runs import folder as folders
from isorate.runs.folder import Run
from isorate.runs.row import Key
from isorate.runs.shards import Stored, read_rows

T = TypeVar("T")

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def rows_written(out: Path) -> int:
    """Return how many rows a run that goes on has written, those that it replaced included."""
    return sum(shard.read_bytes().count(b'"row":') for shard in (out / "rows").glob("*.jsonl"))


def small_photos(folder: Path, photo: np.ndarray, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        PillowImage.fromarray(photo[number : number + 40, number : number + 48]).save(folder / f"{number:03}.png")
    return folder


def session_of(pid: int) -> dict[int, str]:
    """Return the processes of a session by id, with their states; zombies have ended."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after[3]) == pid and after[0] != "Z":
            found[int(stat.parent.name)] = after[0]
    return found


def run_words(photos: Path, out: Path, *more: object) -> list[str]:
    words = [sys.executable, "-m", "isorate", "run", "--data", photos, "--anchor", "jpeg", "--point", "quality=30",
             "--codec", "jpeg2000", "-o", out, "--no-cache", "--workers", 2, *more]  # fmt: skip
    return [str(word) for word in words]


@linux
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_its_parent(
    tmp_path: Path, astronaut: Image, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, 60)
    out = tmp_path / "run"
    words = run_words(photos, out)
    child = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not rows_written(out):
        time.sleep(0.02)
        assert child.poll() is None
    assert len(session_of(child.pid)) >= 3
    child.send_signal(how)
    child.wait(10)
    deadline = time.monotonic() + 20  # two seconds on an idle machine
    while session_of(child.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert session_of(child.pid) == {}
    monkeypatch.setattr("isorate.engine.workers.ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    assert main(words[3:]) == 0
    rows = Run.open(out).rows()
    assert len(rows) == 120
    assert all(row.ok for row in rows)


@linux
@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path, astronaut: Image) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, 60)
    out = tmp_path / "run"
    child = subprocess.Popen(run_words(photos, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                             start_new_session=True)  # fmt: skip
    while rows_written(out) < 4:
        time.sleep(0.02)
        assert child.poll() is None
    worker = next(pid for pid in session_of(child.pid) if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text())
    os.kill(worker, signal.SIGKILL)
    said = child.communicate(timeout=120)[1]
    assert child.returncode == 0, said
    rows = Run.open(out).rows()
    assert len(rows) == 120
    assert all(row.ok for row in rows)


class Breaking(Executor):
    """Does some cells and then breaks, as a pool does whose worker was killed."""

    def __init__(self, good: int, refuses: bool) -> None:
        self.good, self.refuses = good, refuses

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        self.good -= 1
        if self.good >= 0:
            future.set_result(fn(*args, **kwargs))
        elif self.refuses:
            raise BrokenExecutor("gone")
        else:
            future.set_exception(BrokenExecutor("gone"))
        return future


OPTIONS: dict[str, Any] = {"anchor": "jpeg", "codecs": [], "points": ["quality=30"], "use_cache": False}


@pytest.mark.parametrize("refuses", [True, False])
def test_what_an_executor_that_breaks_had_is_not_done(tmp_path: Path, astronaut: Image, refuses: bool) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, 5)
    counted: list[tuple[dict[str, int], int, int]] = []
    with pytest.raises(RunError, match=r"\(gone\) with 3 of 5 cells not finished; .* run the same command again"):
        api.run(photos, tmp_path / "run", executor=Breaking(2, refuses), **OPTIONS,
                progress=lambda counts, done, total: counted.append((dict(counts), done, total)))  # fmt: skip
    assert [row.ok for row in Run.open(tmp_path / "run").rows()] == [True, True]
    assert counted[-1] == ({"ok": 2}, 2, 5)
    again = api.run(photos, tmp_path / "run", executor=Breaking(3, refuses), **OPTIONS)
    assert [row.ok for row in again.rows()] == [True] * 5


@pytest.mark.parametrize("error", [ZeroDivisionError("a fault of ours"), SystemExit(3), KeyError("x")])
def test_any_error_of_one_cell_is_its_own(
    tmp_path: Path, astronaut: Image, in_process: Executor, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    real = run_cell

    def sometimes(cell: Cell) -> list[RowOutcome]:
        if cell.source.name == "001":
            raise error
        return real(cell)

    monkeypatch.setattr(execution, "run_cell", sometimes)
    photos = small_photos(tmp_path / "photos", astronaut, 3)
    run = api.run(photos, tmp_path / "run", anchor="jpeg", codecs=[], points=["quality=30"], executor=in_process)
    assert [row.ok for row in run.rows()] == [True, False, True]
    assert f"unexpected {type(error).__name__}" in run.rows()[1].status


def test_a_cancelled_cell_is_not_done(tmp_path: Path, astronaut: Image) -> None:
    class Cancelling(Executor):
        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            future: Future[T] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    photos = small_photos(tmp_path / "photos", astronaut, 1)
    with pytest.raises(RunError, match=r"the executor broke \(CancelledError\) with 1 of 1 cells not finished"):
        api.run(photos, tmp_path / "run", executor=Cancelling(), **OPTIONS)
    assert Run.open(tmp_path / "run").rows() == []


def test_with_an_executor_that_is_shut_down_nothing_is_done(tmp_path: Path, astronaut: Image) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, 3)
    with ThreadPoolExecutor(1) as executor:
        pass
    with pytest.raises(RunError, match=r"cannot schedule new futures after shutdown.* with 3 of 3 cells not finished"):
        api.run(photos, tmp_path / "run", executor=executor, **OPTIONS)
    assert Run.open(tmp_path / "run").rows() == []


def test_cells_that_an_executor_cannot_send_are_failed_rows(tmp_path: Path, astronaut: Image) -> None:
    class Refusing(Executor):
        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            if args[0].source.name != "001":
                raise TypeError("cannot pickle this codec")
            future: Future[T] = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    photos = small_photos(tmp_path / "photos", astronaut, 3)
    run = api.run(photos, tmp_path / "run", executor=Refusing(), **OPTIONS)
    assert [row.ok for row in run.rows()] == [False, True, False]
    assert run.rows()[0].status.startswith("failed: the executor refused it: unexpected TypeError: cannot pickle")


class Death(BaseException):
    """As a crash: no codec's failure."""


class Deadly(Executor):
    """Goes on where a worker died, as a cluster does."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Death:
            future.set_exception(execution.WorkersDiedError("no worker left"))
        return future


def dies(*_: Any) -> bytes:
    raise Death


@pytest.mark.parametrize("how", ["died", "refused"])
def test_a_codec_at_which_a_worker_dies_where_its_files_were_lost_is_the_one_that_failed(
    tmp_path: Path, astronaut: Image, in_process: Executor, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Its row of before is a good one, and the codec after it, which was never called, had failed."""

    class Refusing(Executor):
        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            raise TypeError("cannot pickle this codec")

    options = {**OPTIONS, "codecs": ["jpeg2000", "webp"]}
    photos = small_photos(tmp_path / "photos", astronaut, 1)
    run = api.run(photos, tmp_path / "run", executor=in_process, **options)
    assert [row.ok for row in run.rows()] == [True] * 3
    (run.path / run.rows()[1].stream).unlink()
    run.remove_row("000", "jpeg-quality30", "webp")
    monkeypatch.setattr(Jpeg2000, "encode", dies)
    counted: list[dict[str, int]] = []
    executor = Deadly() if how == "died" else Refusing()
    again = api.run(photos, run.path, executor=executor, **options, progress=lambda now, *_: counted.append(dict(now)))
    good, failed = (2, 1) if how == "died" else (1, 2)
    assert counted[-1] == {"ok": good, "failed": failed}
    found = {row.codec: row.status for row in again.rows()}
    assert found.pop("jpeg") == "ok"
    if how == "died":
        assert found == {"jpeg2000": "failed: no worker left", "webp": "ok"}
    else:
        assert all("cannot pickle this codec" in status for status in found.values())


def test_what_came_of_a_cell_is_read_once_a_death(
    tmp_path: Path, astronaut: Image, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of this start: a run of a million rows takes half a minute to be read."""
    options = {**OPTIONS, "codecs": ["jpeg2000", "webp"]}
    photos = small_photos(tmp_path / "photos", astronaut, 3)
    run = api.run(photos, tmp_path / "run", executor=in_process, **options)
    for number in range(3):
        run.remove_row(f"00{number}", "jpeg-quality30", "jpeg2000")
        run.remove_row(f"00{number}", "jpeg-quality30", "webp")
    monkeypatch.setattr(Jpeg2000, "encode", dies)
    read: list[int] = []

    def counted(folder: Path, generation: int = 0) -> dict[Key, Stored]:
        read.append(generation)
        return read_rows(folder, generation)

    monkeypatch.setattr(folders, "read_rows", counted)
    again = api.run(photos, run.path, executor=Deadly(), **options)
    [_, *after] = read  # what is there is looked at once, before the first cell
    assert len(after) == 1 + 3
    assert len({*after}) == 1
    assert after[0] > 1
    assert [row.ok for row in again.rows()] == [True, False, True] * 3


def test_an_executor_has_so_many_cells_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "IN_EXECUTOR", 7)
    monkeypatch.setattr(execution, "run_cell", lambda cell: [cell])
    inside, most = 0, 0

    class Counting(ThreadPoolExecutor):
        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            return super().submit(fn, *args, **kwargs)

    nowhere: Any = None
    cells: Any = list(range(50))
    with Counting(1) as executor:
        for _ in execution.execute(nowhere, cells, 1, executor):
            inside -= 1
    assert most == 7
    assert inside == 0


def test_each_cell_in_an_executor_is_looked_at_a_few_times_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was as many times as there are cells: with 6,000 that took longer than the cells."""
    count, looks = 200, 0

    class Counted(Future[T]):
        def __getattribute__(self, name: str) -> Any:
            nonlocal looks
            looks += 1
            return super().__getattribute__(name)

    class Later(Executor):
        """Ends the cells one after another when all have come."""

        def __init__(self) -> None:
            self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []

        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            future: Future[T] = Counted()
            self.waiting.append((future, lambda: fn(*args, **kwargs)))
            if len(self.waiting) == count:
                threading.Thread(target=self._work).start()
            return future

        def _work(self) -> None:
            for future, call in self.waiting:
                future.set_result(call())

    monkeypatch.setattr(execution, "run_cell", lambda cell: [RowOutcome(True), cell])
    cells: Any = list(range(count))
    nowhere: Any = None
    done = list(execution.execute(nowhere, cells, 1, Later()))
    assert done == [[RowOutcome(True), cell] for cell in cells]
    assert looks <= 50 * count


@pytest.mark.slow
@pytest.mark.parametrize("code", [
    "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
    "import atexit, time; atexit.register(time.sleep, 600)",
])  # fmt: skip
def test_a_worker_that_does_not_end_is_waited_for_no_longer_than_it_may(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a codec leaves behind, a thread for instance, keeps a process that is done."""
    monkeypatch.setattr(workers, "END_S", 0.5)
    began = time.monotonic()
    with workers.worker_pool(1) as pool:
        pool.submit(exec, code).result()
    assert time.monotonic() - began < 60


def test_a_pool_s_pipe_is_closed_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool ends as its workers see the pipe closed: closed once more meanwhile, it was an error of the whole run."""
    begun, second, ended = threading.Event(), threading.Event(), threading.Event()
    together = False

    class Pipe:
        def close(self) -> None:
            nonlocal together
            if threading.current_thread() is threading.main_thread():
                second.set()
                return
            begun.set()
            together = second.wait(0.2)
            ended.set()

    class Pool:
        def shutdown(self) -> None:
            assert begun.wait(60)

    monkeypatch.setattr(workers, "END_S", 0)
    monkeypatch.setattr(workers._Context, "Pipe", lambda *_, **__: (io.BytesIO(), Pipe()))
    monkeypatch.setattr(workers, "ProcessPoolExecutor", lambda *_, **__: Pool())
    with workers.worker_pool(1):
        pass
    assert ended.wait(60)
    assert second.is_set()
    assert not together
