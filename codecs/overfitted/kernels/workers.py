"""Threads for kernels: they hold no lock of Python's, and what they compute does not depend on their number."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="isorate-kernels")


os.register_at_fork(after_in_child=_pool.cache_clear)


def spread(work: Callable[[int, int], object], count: int) -> None:
    """Call `work` (first, end) for parts of range(count), on as many threads as PyTorch is set to use."""
    threads = min(torch.get_num_threads(), count)
    if threads < 2:
        work(0, count)
        return
    ends = [count * part // threads for part in range(threads + 1)]
    others = [_pool(threads - 1).submit(work, ends[part], ends[part + 1]) for part in range(1, threads)]
    work(0, ends[1])
    for other in others:
        other.result()
