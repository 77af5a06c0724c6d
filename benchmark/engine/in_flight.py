"""Calls through an executor that may break, so many at a time."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class RefusedError(Exception):
    """What an executor that goes on cannot take; its cause says why."""


class InFlight(Generic[T, R]):
    """Items with what became of the call of each, in the order in which these end.

    It ends when none is waiting, or the executor broke.

    Parameters
    ----------
    executor
        Where the calls are made.
    function
        What is called with an item.
    waiting
        The items, which are taken from here; one whose call the broken executor did not take is put back, unless it was
        the executor's first.
    most
        How many are in the executor at a time.

    Attributes
    ----------
    lost
        The items that were in the executor when it broke.
    why
        What it broke by; None while it has not.
    """

    def __init__(self, executor: Executor, function: Callable[[T], R], waiting: deque[T], most: int) -> None:
        self._executor, self._function, self._waiting, self._most = executor, function, waiting, most
        self._inside: dict[Future[R], T] = {}
        self._ended: SimpleQueue[Future[R]] = SimpleQueue()  # to wait for one of many looks at all of them
        self._used = False
        self.lost: list[T] = []
        self.why: BaseException | None = None

    def __iter__(self) -> Iterator[tuple[T, Future[R]]]:
        self._send()
        while self._inside:
            future = self._ended.get()
            item = self._inside.pop(future)
            if error := _broken(future):
                self.lost.append(item)
                self.why = error
            else:
                yield item, future
            self._send()

    def cancel(self) -> None:
        """Take back what has not begun."""
        for future in self._inside:
            future.cancel()

    def _send(self) -> None:
        while self._waiting and self.why is None and len(self._inside) < self._most:
            item = self._waiting.popleft()
            try:
                future = self._executor.submit(self._function, item)
            except RuntimeError as error:  # it broke, or is shut down
                self.why = error
                if self._used:
                    self._waiting.appendleft(item)
                else:
                    self.lost.append(item)
                return
            except Exception as error:  # what cannot be sent
                future = Future()
                refused = RefusedError()
                refused.__cause__ = error
                future.set_exception(refused)
            self._used = True
            self._inside[future] = item
            future.add_done_callback(self._ended.put)


def _broken(future: Future[R]) -> BaseException | None:
    """Return the error of a call that ended with its executor; None for all that a call itself may end in."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return cancelled
    return error if isinstance(error, BrokenExecutor | CancelledError) else None
