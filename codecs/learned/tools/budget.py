"""``python -m isorate.codecs.learned.tools.budget CONFIG``: what a training step costs, and where its time goes."""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import RunSettings, read_settings
from isorate.errors import IsorateError

WARM_UP_STEPS = 3
OPERATORS = 16
"""Lines of the table."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A step's cost.

    Attributes
    ----------
    seconds
        Mean of a whole step, batch and optimizer included.
    crops, megapixels
        Of one second.
    operators
        The dearest operators by their own time, a table.
    """

    seconds: float
    crops: float
    megapixels: float
    operators: str


def measure(settings: RunSettings, steps: int) -> Budget:
    """Return the cost of a step of the recipe as it is after `prior_steps`, over `steps` steps (and as many profiled).

    Raises
    ------
    DatasetError
        When the photographs are not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(settings, Path(folder))
        trainer.warm_start()
        trainer.step = settings.train.prior_steps
        trainer.run(steps=WARM_UP_STEPS)
        before = trainer.seconds
        trainer.run(steps=steps)
        seconds = (trainer.seconds - before) / steps
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
        with profile(activities=activities) as profiler:
            trainer.run(steps=steps)
    key = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    table = profiler.key_averages().table(sort_by=key, row_limit=OPERATORS, max_name_column_width=40)
    crops = settings.train.batch_size / seconds
    return Budget(seconds, crops, crops * settings.train.crop_size**2 / 1e6, table)


def main(arguments: list[str] | None = None) -> int:
    """Print a configuration's budget; return the exit status."""
    parser = argparse.ArgumentParser(description="Measure a training step.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args(arguments)
    try:
        budget = measure(read_settings(given.config), given.steps)
    except IsorateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(budget.operators)
    print(f"{1e3 * budget.seconds:.0f} ms a step, {budget.crops:.1f} crops/s, {budget.megapixels:.2f} Mpx/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
