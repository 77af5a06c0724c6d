"""Batches for one process, prepared ahead by threads (decoding is done: what is left releases the interpreter)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from isorate.codecs.learned.training.data import CropSampler
from isorate.codecs.learned.training.resident import ResidentSampler


def batches(
    sampler: CropSampler | ResidentSampler,
    first_step: int,
    size: int,
    *,
    workers: int,
    rank: int = 0,
    ranks: int = 1,
) -> Iterator[Tensor]:
    """Yield the batch of `first_step` and of every later step: (size, height, width, 3), uint8.

    Parameters
    ----------
    sampler
        Decides what each step sees.
    first_step
        The step to begin with.
    size
        Crops of one process and step.
    workers
        Threads; 0 prepares each batch when it is asked for.
    rank, ranks
        This process and their number.
    """

    def load(step: int) -> Tensor:
        return torch.as_tensor(sampler.batch(step, size, rank, ranks))

    step = first_step
    if not workers:
        while True:
            yield load(step)
            step += 1
    with ThreadPoolExecutor(workers) as pool:
        queue = [pool.submit(load, step + ahead) for ahead in range(2 * workers)]
        while True:
            queue.append(pool.submit(load, step + len(queue)))
            yield queue.pop(0).result()
            step += 1
