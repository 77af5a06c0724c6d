from collections import deque
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any

import pytest

from isorate.engine.in_flight import InFlight


class Breaking(Executor):
    """An executor that takes so many calls and then is broken."""

    def __init__(self, takes: int) -> None:
        self.takes = takes

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        if not self.takes:
            raise BrokenExecutor("a process died")
        self.takes -= 1
        made: Future[Any] = Future()
        made.set_result(fn(*args, **kwargs))
        return made


@pytest.mark.parametrize(("takes", "done", "lost", "left"), [(2, [1, 2], [], [3]), (0, [], [1], [2, 3])])
def test_an_item_whose_call_never_began_is_put_back(
    takes: int, done: list[int], lost: list[int], left: list[int]
) -> None:
    """But not the first one of an executor: it would wait for ever."""
    waiting = deque([1, 2, 3])
    flight = InFlight(Breaking(takes), abs, waiting, 1)
    assert [(item, future.result()) for item, future in flight] == [(item, item) for item in done]
    assert (flight.lost, list(waiting)) == (lost, left)
    assert isinstance(flight.why, BrokenExecutor)
