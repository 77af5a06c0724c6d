"""Work on many things in threads, their results in order and only a few at a time in memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

WORKERS = min(4, os.cpu_count() or 1)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int = WORKERS) -> Iterator[_Result]:
    """Iterate over what `work` makes of each item, in the items' order.

    No more than `workers` results are made or wait beside the one that was taken last: what takes them slowly, such as
    a disk, holds the work up, and memory does not grow with the number of items.

    Parameters
    ----------
    work
        What is done; it gains from threads where it releases the interpreter, as decoding pictures does.
    items
        What it is done to.
    workers
        Threads.

    Examples
    --------
    >>> list(in_order(lambda value: value**2, range(5), workers=2))
    [0, 1, 4, 9, 16]
    """
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
