"""One call at a time in one process, and in a new one after a call that took its process along."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor
from contextlib import ExitStack
from types import TracebackType
from typing import TypeVar

from isorate.engine.execution import DIED
from isorate.engine.workers import worker_pool
from isorate.errors import IsorateError, RunError

T = TypeVar("T")


class Alone:
    """A process with one thread for one call at a time.

    Parameters
    ----------
    executor
        Used in place of a process. One that breaks cannot be made anew.

    Attributes
    ----------
    process
        How many processes died before: what a call left in one is not in the next.
    """

    def __init__(self, executor: Executor | None = None) -> None:
        self._given = executor
        self._pool: Executor | None = executor
        self._stack = ExitStack()
        self.process = 0

    def __enter__(self) -> "Alone":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def outcome(self, function: Callable[..., T], *words: object) -> T | str:
        """Return what the call gives, or in words why it gives nothing.

        Raises
        ------
        RunError
            When the call raises one, or a given executor broke.
        """
        found = self.outcome_here(function, *words)
        if found is None:
            found = self.outcome_here(function, *words)
        return DIED if found is None else found

    def outcome_here(self, function: Callable[..., T], *words: object) -> T | str | None:
        """Return what :meth:`outcome` does, or None where the process died before the call, which did not begin then.

        The next call is in a new process.

        Raises
        ------
        RunError
            See :meth:`outcome`.
        """
        if self._pool is None:
            self._pool = self._stack.enter_context(worker_pool(1))
        try:
            future = self._pool.submit(function, *words)
        except BrokenExecutor as error:
            self._leave(error)
            return None
        except Exception as error:  # what a given executor cannot send
            return _said(error)
        try:
            return future.result()
        except RunError:
            raise
        except BrokenExecutor as error:
            self._leave(error)
            return DIED
        except (Exception, SystemExit) as error:  # an adapter may fail in any way
            return _said(error)

    def _leave(self, error: BrokenExecutor) -> None:
        if self._given is not None:
            raise RunError(f"the executor broke ({error}); give another one, or none") from error
        self._stack.close()
        self._pool = None
        self.process += 1


def _said(error: BaseException) -> str:
    return str(error) if isinstance(error, IsorateError) else f"unexpected {type(error).__name__}: {error}"
