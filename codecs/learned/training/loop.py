"""The training loop: the same on a CPU, a GPU and many of them (``torchrun``)."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Never

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from isorate.codecs.learned.coding.network import load_network
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.model.priors import set_fake_quantize
from isorate.codecs.learned.model.quantization import QuantizationMode
from isorate.codecs.learned.training.checkpoint import (
    newest_checkpoint,
    read_checkpoint,
    storage_dtype,
    write_checkpoint,
)
from isorate.codecs.learned.training.compiled import compile_parts, compiles, named_failure
from isorate.codecs.learned.training.curves import (
    CURVE,
    CURVE_FIELDS,
    VALIDATION,
    VALIDATION_FIELDS,
    append_rows,
    drop_rows_after,
    ends_with,
)
from isorate.codecs.learned.training.data import CropSampler, Pack
from isorate.codecs.learned.training.distributed import join_run
from isorate.codecs.learned.training.ema import WeightAverage
from isorate.codecs.learned.training.folder import held, make_folder
from isorate.codecs.learned.training.graph import EAGER_STEPS, RecordedPass, records
from isorate.codecs.learned.training.grow import grow
from isorate.codecs.learned.training.klt_init import klt_warm_start
from isorate.codecs.learned.training.loader import batches
from isorate.codecs.learned.training.numerics import numerics
from isorate.codecs.learned.training.optimizers import load_optimizer_tensors, make_optimizers, optimizer_tensors
from isorate.codecs.learned.training.passes import NOT_FINITE, Pass
from isorate.codecs.learned.training.resident import ResidentSampler, resident_photographs
from isorate.codecs.learned.training.schedule import wsd
from isorate.codecs.learned.training.settings import RunSettings, TrainSettings
from isorate.codecs.learned.training.validation import OperatingPoint, validate
from isorate.errors import UsageError

WARM_START_NUMBER = 10**12
"""The crops of the warm start are numbered from here, far beyond those of any step."""


class Trainer:
    """One process of a training run.

    Parameters
    ----------
    settings
        Model, recipe and data.
    folder
        Where checkpoints and curves go.
    max_file_bytes
        The longest checkpoint shard; 0 for no limit.
    compact
        Whether checkpoints hold the averaged weights alone, kernels in fp16 (a resumed run continues from the average
        and warms up anew), and only the newest is kept.
    """

    def __init__(self, settings: RunSettings, folder: Path, max_file_bytes: int = 0, compact: bool = False) -> None:
        self.settings = settings
        self.folder = folder
        self.max_file_bytes = max_file_bytes
        self.compact = compact
        self.place = join_run()
        self.pack = Pack(settings.train_data)
        self.validation = Pack(settings.validation_data) if settings.validation_data is not None else None
        torch.manual_seed(settings.train.seed)
        self.model = self._untrained().to(self.place.device)
        if compiles(self.place, settings.train):
            compile_parts(self.model)
        self.average = WeightAverage(self.model, settings.train.ema)
        self.optimizers = make_optimizers(self.model, settings.train)
        self.step = 0
        self.warm_from = 0
        self.seconds = 0.0
        self._skipped = torch.zeros((), device=self.place.device)
        self.validated_at = 0.0
        self.validated_step: int | None = None
        self.prior_steps = settings.train.prior_steps
        self._enter_phase(settings.train)

    def warm_start(self) -> None:
        """Initialise the model from the KLT of training crops."""
        self._begin(klt_warm_start)

    def start_from(self, path: Path) -> None:
        """Take a weights file, or the averaged weights of another run's checkpoint, as the start of this one.

        This model may have more residual blocks than that one (they begin silent), or more coarse and latent
        channels (:func:`~isorate.codecs.learned.training.grow.grow`).
        """
        if path.is_file():
            source = load_network(path).model
        else:
            tensors, state = read_checkpoint(path)
            source = ConditionalAutoencoder(ModelConfig.from_dict(state["model"]))
            source.load_state_dict({name[4:]: t.float() for name, t in tensors.items() if name.startswith("ema.")})
        try:
            self._begin(partial(grow, source))
        except UsageError as error:
            raise UsageError(f"{path} is of another model: {error}") from error
        self.prior_steps = 0

    @torch.no_grad()
    def _begin(self, initialise: Callable[[ConditionalAutoencoder, Tensor], None]) -> None:
        """Let `initialise` make the start of the run on the CPU, from a fresh model and crops, and take it over."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.train.seed)
            model = self._untrained()
        numbers = range(WARM_START_NUMBER, WARM_START_NUMBER + self.recipe.warm_start_crops)
        crops = np.stack([self.sampler.crop(number) for number in numbers])
        initialise(model, _as_pictures(torch.from_numpy(crops), torch.device("cpu")))
        for target, source in zip(self.model.parameters(), model.parameters(), strict=True):
            target.copy_(source)
        self.average = WeightAverage(self.model, self.recipe.ema)

    def _untrained(self) -> ConditionalAutoencoder:
        model = ConditionalAutoencoder(self.settings.model)
        return model.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]

    def resume(self, path: Path) -> None:
        """Continue exactly from the checkpoint at `path`.

        Raises
        ------
        UsageError
            When there is none, or it is of another model.
        """
        tensors, state = read_checkpoint(path, str(self.place.device))
        self._refuse_another(ModelConfig.from_dict(state["model"]), path)
        averaged = {k[4:]: t for k, t in tensors.items() if k.startswith("ema.")}
        self.model.load_state_dict({k[6:]: t for k, t in tensors.items() if k.startswith("model.")} or averaged)
        self.average.load(averaged)
        moments = {k[10:]: t for k, t in tensors.items() if k.startswith("optimizer.")}
        load_optimizer_tensors(self.optimizers, self.model, moments)
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.warm_from = int(state["warm_from"]) if moments else self.step
        self._skipped.fill_(state["skipped"])
        validated = ends_with(self.folder / VALIDATION, self.step)  # after the checkpoint was written
        self.validated_step = self.step if validated else None
        self.validated_at = self.seconds if validated else float(state["validated_at"])
        self.prior_steps = int(state["prior_steps"])

    def _refuse_another(self, model: ModelConfig, path: Path) -> None:
        """Raise when the checkpoint at `path` is of a model of another shape; its name may differ."""
        differences = model.differences(self.settings.model)
        if shape := [key for key in differences if key != "name"]:
            one, two = differences[shape[0]]
            raise UsageError(
                f"{path} is of another model: its {shape[0]} is {one}, here it is {two}; "
                "give the configuration that it was begun with, or another folder"
            )

    def save(self) -> None:
        """Write a checkpoint (the first process only)."""
        if self.place.rank:
            return
        averaged = self.average.shadow.items()
        if self.compact:
            tensors: dict[str, Tensor] = {f"ema.{name}": t.to(storage_dtype(t)) for name, t in averaged}
        else:
            tensors = {f"model.{name}": p for name, p in self.model.named_parameters()}
            tensors |= {f"ema.{name}": t for name, t in averaged}
            moments = optimizer_tensors(self.optimizers, self.model)
            tensors |= {f"optimizer.{name}": t for name, t in moments.items()}
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "skipped": self.skipped,
            "warm_from": self.warm_from,
            "prior_steps": self.prior_steps,
            "validated_at": self.validated_at,
            "model": asdict(self.settings.model),
            "train": asdict(self.settings.train),
        }
        kept = 1 if self.compact else 2
        write_checkpoint(self.folder, self.step, tensors, state, max_bytes=self.max_file_bytes, kept=kept)

    def run(self, seconds: float = math.inf, steps: int | None = None) -> None:
        """Train until the recipe ends, or for `seconds` or `steps` more, then write a checkpoint."""
        network = self.place.wrap(self.model)
        called = time.monotonic()
        queue = self._batches()
        started, seconds_before, step_before = time.monotonic(), self.seconds, self.step
        saved_at = started
        window: list[Tensor] = []
        bar = tqdm(initial=self.step, total=self.recipe.total_steps or None, disable=self.place.rank > 0 or None)
        over = self.finished
        while not over:
            recipe = self.settings.train.at(self._progress())
            if recipe != self.recipe:
                self._enter_phase(recipe)
                queue = self._batches()
            window.append(self._train_step(network, _as_pictures(next(queue), self.place.device)))
            self.step += 1
            now = time.monotonic()
            self.seconds = seconds_before + now - started
            bar.update()
            if self.step % self.recipe.curve_steps == 0:
                self._record_curve(window, (self.step - step_before) / (now - started), bar)
                window = []
            stopped = now - called >= seconds or (steps is not None and self.step - step_before >= steps)
            over = self.place.agree(self.finished or stopped)
            if over or now - saved_at >= self.recipe.checkpoint_seconds:
                self.save()
                saved_at = time.monotonic()
            if self.place.agree(self.seconds - self.validated_at >= self.recipe.validate_seconds):
                self.record_validation()
        bar.close()

    @property
    def skipped(self) -> int:
        """How many steps had a gradient that was not finite."""
        return int(self._skipped)

    @property
    def finished(self) -> bool:
        """Whether the recipe is over."""
        return self._progress() >= 1

    def try_steps(self) -> None:
        """Take steps of each phase on noise, and validate, to see that the machine can; the model is spoilt by it."""
        network = self.place.wrap(self.model)
        self.prior_steps = 0
        for start in (0.0, *(phase.start for phase in self.settings.train.phases)):
            self._enter_phase(self.settings.train.at(start))
            self._batches()  # resident photographs take their memory
            size = (self.recipe.batch_size, self.recipe.crop_size, self.recipe.crop_size, 3)
            noise = _as_pictures(torch.randint(256, size, dtype=torch.uint8), self.place.device)
            for _ in range(EAGER_STEPS + 1 if records(self.place, self.recipe) else 1):
                self._train_step(network, noise)
                self.step += 1
            self._validated(1)

    def record_validation(self) -> None:
        """Validate the averaged weights and append the operating points to ``validation.csv``, once for each step."""
        if self.validated_step == self.step:
            return
        self.validated_at, self.validated_step = self.seconds, self.step
        points = self._validated(self.recipe.validate_images)
        if not points:
            return
        now = (self.step, round(self.seconds, 1))
        rows = [(*now, p.log10_lmbda, round(p.bpp, 5), round(p.psnr, 4), round(p.ms_ssim, 5)) for p in points]
        append_rows(self.folder / VALIDATION, VALIDATION_FIELDS, rows)
        tqdm.write(" | ".join(f"{p.log10_lmbda:g}: {p.bpp:.4f} bpp {p.psnr:.3f} dB {p.ms_ssim:.4f}" for p in points))

    def _validated(self, images: int) -> list[OperatingPoint]:
        """Return the averaged weights' points over so many photographs (0: all); none in other processes."""
        if self.place.rank or self.validation is None:
            return []
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average.shadow)
        mode: QuantizationMode = "rdoq" if self.recipe.quantization == "rdoq" else "round"
        with numerics(self.place.device, exact=True, tuned=False):
            return validate(model, self.validation, self.recipe.validate_lmbda, images, mode)

    def _enter_phase(self, recipe: TrainSettings) -> None:
        """Follow `recipe` from this step on."""
        self.recipe = recipe
        self._pass: Pass | None = None
        self.sampler = CropSampler(self.pack, recipe.crop_size, recipe.smallest_scale, recipe.seed)
        set_fake_quantize(self.model, recipe.fake_quantize)
        self.model.hyper_analysis_net.requires_grad_(not recipe.frozen_encoder)

    def _batches(self) -> Iterator[Tensor]:
        place, recipe = self.place, self.recipe
        sampler: CropSampler | ResidentSampler = self.sampler
        workers = recipe.workers
        if recipe.resident:
            photographs = resident_photographs(self.settings.train_data, recipe.smallest_scale, place.device)
            sampler, workers = ResidentSampler(photographs, recipe.crop_size, recipe.seed), 0
        return batches(sampler, self.step, recipe.batch_size, workers=workers, rank=place.rank, ranks=place.ranks)

    def _progress(self) -> float:
        if self.recipe.total_steps:
            return self.step / self.recipe.total_steps
        return self.seconds / self.recipe.total_seconds

    def _rate_factor(self) -> float:
        warm = self.step - self.warm_from
        return wsd(self._progress(), warm, self.recipe.warmup_steps, self.recipe.decay_share)

    def _train_step(self, network: torch.nn.Module, x: Tensor) -> Tensor:
        """Take one step; return what its pass tells. A gradient that is not finite changes no weight."""
        recipe, place = self.recipe, self.place
        whole = self.step >= self.prior_steps
        if self._pass is None or self._pass.whole != whole:
            self.model.analysis_net.requires_grad_(whole and not recipe.frozen_encoder)
            self._pass = None  # a graph's memory is free before another one is recorded
            self._pass = (RecordedPass if records(place, recipe) else Pass)(place, recipe, whole)
        with named_failure():
            told = self._pass(network, x, (recipe.seed * 1_000_003 + self.step) * place.ranks + place.rank)
        self._skipped += told[NOT_FINITE]
        if not place.runs_ahead and bool(told[NOT_FINITE]):
            return told
        factor = self._rate_factor()
        for optimizer in self.optimizers:
            if place.runs_ahead:
                setattr(optimizer, "found_inf", told[NOT_FINITE])  # noqa: B010, the optimizers' own protocol
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
        self.average.update(self.model, self.step)
        return told

    def _record_curve(self, window: list[Tensor], pace: float, bar: "tqdm[Never]") -> None:
        if self.place.rank:
            return
        told = torch.stack(window)[:, :NOT_FINITE].double().cpu().numpy()
        loss, rate, psnr = (float(mean) for mean in np.nanmean(told, axis=0))
        progress = max(self._progress(), 1e-9)
        minutes = (1 - progress) * self.seconds / progress / 60
        bar.set_postfix_str(f"loss {loss:.4f} {rate:.3f} bpp {psnr:.2f} dB, {minutes:.0f} min left")
        learning_rate = self._rate_factor() * self.recipe.learning_rate
        row = (self.step, round(self.seconds, 1), round(loss, 5), round(rate, 5), round(psnr, 4), learning_rate)
        append_rows(self.folder / CURVE, CURVE_FIELDS, [(*row, round(pace, 4), self.skipped)])


def train(
    settings: RunSettings,
    folder: Path,
    *,
    resume: Path | None = None,
    start_from: Path | None = None,
    seconds: float = math.inf,
    max_file_bytes: int = 0,
    compact: bool = False,
) -> Trainer:
    """Run the recipe: continue `folder` (or `resume`) if a checkpoint is there, else start; return the trainer."""
    trainer = Trainer(settings, folder, max_file_bytes, compact)
    make_folder(folder)
    with held(folder) if trainer.place.rank == 0 else nullcontext():
        newest = newest_checkpoint(folder)
        source = resume if resume is not None else newest
        if source is not None:
            trainer.resume(source)
        elif start_from is not None:
            trainer.start_from(start_from)
        else:
            trainer.warm_start()
        if source is newest and trainer.place.rank == 0:
            drop_rows_after(folder / CURVE, trainer.step)
        trainer.run(seconds)
        trainer.record_validation()
    return trainer


def _as_pictures(crops: Tensor, device: torch.device) -> Tensor:
    """Return uint8 crops (N, height, width, 3) as (N, 3, height, width) in [0, 1], channels-last in memory."""
    return crops.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
