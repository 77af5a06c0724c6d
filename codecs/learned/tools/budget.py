"""What a training step costs, and where its time goes."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from isorate.codecs.learned.training.graph import EAGER_STEPS
from isorate.codecs.learned.training.loop import Trainer
from isorate.codecs.learned.training.settings import RunSettings
from isorate.files.numbers import LARGEST_NUMBER

WARM_UP_STEPS = EAGER_STEPS + 1
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

    The recipe's own end stops neither, nor does its validation take part.

    Raises
    ------
    DatasetError
        When the photographs are not there.
    """
    train = settings.train
    recipe = train.at(min(1.0, train.prior_steps / train.total_steps) if train.total_steps else 0.0)
    endless = replace(recipe, phases=(), total_steps=0, total_seconds=LARGEST_NUMBER, validate_seconds=LARGEST_NUMBER)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(replace(settings, train=endless), Path(folder))
        trainer.warm_start()
        trainer.step = recipe.prior_steps
        trainer.run(steps=WARM_UP_STEPS)
        before = trainer.seconds
        trainer.run(steps=steps)
        seconds = (trainer.seconds - before) / steps
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
        with profile(activities=activities) as profiler:
            trainer.run(steps=steps)
    key = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    table = profiler.key_averages().table(sort_by=key, row_limit=OPERATORS, max_name_column_width=40)
    crops = recipe.batch_size / seconds
    return Budget(seconds, crops, crops * recipe.crop_size**2 / 1e6, table)
