"""A fit's progress on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_bar(steps: int) -> Iterator[Callable[[int], None]]:
    """Give a function that is told the number of steps done; it shows them where stderr is a terminal."""
    with tqdm(total=steps, unit="step", desc="fitting", disable=None, leave=False) as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        yield show
