"""What becomes of cells and processes when something dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.engine import execution
from isorate.engine.cell import Cell, RowOutcome, run_cell
from isorate.image import Image
from isorate.runs.folder import Run

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
def test_no_process_outlives_its_parent(tmp_path: Path, astronaut: Image, how: signal.Signals) -> None:
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
    subprocess.run(words, check=True, capture_output=True)
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
            raise BrokenExecutor("broken")
        else:
            future.set_exception(BrokenExecutor("broken"))
        return future


@pytest.mark.parametrize("refuses", [True, False])
def test_an_executor_that_breaks_loses_no_row(tmp_path: Path, astronaut: Image, refuses: bool) -> None:
    photos = small_photos(tmp_path / "photos", astronaut, 5)
    options: dict[str, Any] = {"anchor": "jpeg", "codecs": [], "points": ["quality=30"], "use_cache": False}
    counted: list[tuple[dict[str, int], int, int]] = []
    run = api.run(photos, tmp_path / "run", executor=Breaking(2, refuses), **options,
                  progress=lambda counts, done, total: counted.append((dict(counts), done, total)))  # fmt: skip
    rows = run.rows()
    assert [row.ok for row in rows] == [True, True, False, False, False]
    assert all("the executor broke" in row.status for row in rows[2:])
    assert counted[-1] == ({"ok": 2, "failed": 3}, 5, 5)
    again = api.run(photos, tmp_path / "run", executor=Breaking(9, refuses), **options)
    assert all(row.ok for row in again.rows())


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


def test_a_cancelled_cell_is_a_failed_row(tmp_path: Path, astronaut: Image) -> None:
    class Cancelling(Executor):
        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            future: Future[T] = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    photos = small_photos(tmp_path / "photos", astronaut, 1)
    run = api.run(photos, tmp_path / "run", anchor="jpeg", codecs=[], points=["quality=30"], executor=Cancelling())
    assert [row.status for row in run.rows()] == ["failed: unexpected CancelledError: "]


def test_an_executor_that_refuses_cells_fails_these(tmp_path: Path, astronaut: Image) -> None:
    class Refusing(Executor):
        def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
            if args[0].source.name != "001":
                raise RuntimeError("cannot schedule new futures after shutdown")
            future: Future[T] = Future()
            future.set_result(fn(*args, **kwargs))
            return future

    photos = small_photos(tmp_path / "photos", astronaut, 3)
    run = api.run(photos, tmp_path / "run", anchor="jpeg", codecs=[], points=["quality=30"], executor=Refusing())
    assert [row.ok for row in run.rows()] == [False, True, False]
    assert run.rows()[0].status.startswith("failed: the executor refused it: unexpected RuntimeError: cannot schedule")


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
