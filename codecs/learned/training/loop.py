"""The training loop: the same on a CPU, a GPU and many of them (``torchrun``)."""

import copy
import csv
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from tqdm import tqdm

from isorate.codecs.learned.model import ConditionalAutoencoder
from isorate.codecs.learned.prior import set_fake_quantize
from isorate.codecs.learned.training.checkpoint import newest_checkpoint, read_checkpoint, write_checkpoint
from isorate.codecs.learned.training.data import CropSampler, Pack
from isorate.codecs.learned.training.ema import WeightAverage
from isorate.codecs.learned.training.loss import draw_conditions, objective, rate_distortion
from isorate.codecs.learned.training.optimizers import make_optimizer
from isorate.codecs.learned.training.schedule import wsd
from isorate.codecs.learned.training.settings import RunSettings
from isorate.codecs.learned.training.validation import validate
from isorate.codecs.learned.warm_start import klt_warm_start

CURVE_FIELDS = ("step", "seconds", "loss", "bpp", "psnr", "learning_rate", "steps_per_second", "skipped")
VALIDATION_FIELDS = ("step", "seconds", "log10_lmbda", "bpp", "psnr")
CURVE_EVERY = 50


class Trainer:
    """One process of a training run.

    Parameters
    ----------
    settings
        Model, recipe and data.
    folder
        Where checkpoints and curves go.
    max_file_bytes
        The longest checkpoint shard.
    compact
        Whether checkpoints leave out the optimizer's state (a resumed run then warms up anew), hold the average in
        fp16, and only the newest is kept.
    """

    def __init__(self, settings: RunSettings, folder: Path, max_file_bytes: int = 2**40, compact: bool = False) -> None:
        self.settings = settings
        self.recipe = settings.train
        self.folder = folder
        self.max_file_bytes = max_file_bytes
        self.compact = compact
        self.rank = int(os.environ.get("RANK", "0"))
        self.ranks = int(os.environ.get("WORLD_SIZE", "1"))
        self.device = _device()
        if self.ranks > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        self.sampler = CropSampler(
            Pack(settings.train_data), self.recipe.crop_size, self.recipe.smallest_scale, self.recipe.seed
        )
        self.validation = Pack(settings.validation_data) if settings.validation_data is not None else None
        torch.manual_seed(self.recipe.seed)
        self.model = ConditionalAutoencoder(settings.model)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        set_fake_quantize(self.model, self.recipe.fake_quantize)
        self.average = WeightAverage(self.model, self.recipe.ema)
        self.optimizer = make_optimizer(self.model, self.recipe)
        self.model.hyper_analysis_net.requires_grad_(not self.recipe.frozen_encoder)
        self.step = 0
        self.warm_from = 0
        self.seconds = 0.0
        self.skipped = 0
        self.validated_at = 0.0

    def warm_start(self) -> None:
        """Initialise the model from the KLT of training crops."""
        numbers = range(10**12, 10**12 + self.recipe.warm_start_crops)
        crops = np.stack([self.sampler.crop(number) for number in numbers])
        klt_warm_start(self.model, torch.from_numpy(crops).permute(0, 3, 1, 2).float().to(self.device) / 255)
        self.average = WeightAverage(self.model, self.recipe.ema)

    def start_from(self, path: Path) -> None:
        """Take the averaged weights of another run's checkpoint as the start of this one."""
        tensors, _ = read_checkpoint(path, str(self.device))
        weights = {name[4:]: tensor.float() for name, tensor in tensors.items() if name.startswith("ema.")}
        self.model.load_state_dict(weights)
        self.average = WeightAverage(self.model, self.recipe.ema)

    def resume(self, path: Path) -> None:
        """Continue exactly from the checkpoint at `path`."""
        tensors, state = read_checkpoint(path, str(self.device))
        self.model.load_state_dict({k[6:]: t for k, t in tensors.items() if k.startswith("model.")})
        self.average.load({k[4:]: t for k, t in tensors.items() if k.startswith("ema.")})
        self._load_optimizer({k[10:]: t for k, t in tensors.items() if k.startswith("optimizer.")})
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.warm_from = int(state.get("warm_from", 0)) if self.optimizer.state else self.step
        self.skipped, self.validated_at = int(state["skipped"]), float(state["validated_at"])

    def save(self) -> Path | None:
        """Write a checkpoint (the first process only)."""
        if self.rank:
            return None
        tensors: dict[str, Tensor] = {f"model.{name}": p for name, p in self.model.named_parameters()}
        averaged = self.average.shadow.items()
        tensors |= {f"ema.{name}": t.half() if self.compact else t for name, t in averaged}
        if not self.compact:
            tensors |= {f"optimizer.{name}": t for name, t in self._optimizer_tensors().items()}
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "skipped": self.skipped,
            "warm_from": self.warm_from,
            "validated_at": self.validated_at,
            "model": asdict(self.settings.model),
            "train": asdict(self.recipe),
        }
        kept = 1 if self.compact else 2
        return write_checkpoint(self.folder, self.step, tensors, state, max_bytes=self.max_file_bytes, kept=kept)

    def run(self, seconds: float = math.inf, steps: int | None = None) -> None:
        """Train until the recipe ends, or for `seconds` or `steps` more, then write a checkpoint."""
        network = self._network()
        started, seconds_before, step_before = time.monotonic(), self.seconds, self.step
        saved_at = started
        window: list[tuple[float, float, float]] = []
        bar = tqdm(initial=self.step, total=self.recipe.total_steps or None, disable=self.rank > 0, mininterval=10)
        for batch in self._batches():
            factor = wsd(
                self._progress(), self.step - self.warm_from, self.recipe.warmup_steps, self.recipe.decay_share
            )
            window.append(self._train_step(network, batch, factor))
            self.step += 1
            now = time.monotonic()
            self.seconds = seconds_before + now - started
            bar.update()
            if self.step % CURVE_EVERY == 0:
                pace = (self.step - step_before) / (now - started)
                self._record_curve(window, factor, pace, bar)
                window = []
            over = self._together(
                self._progress() >= 1
                or now - started >= seconds
                or (steps is not None and self.step - step_before >= steps)
            )
            if over or now - saved_at >= self.recipe.checkpoint_seconds:
                self.save()
                saved_at = time.monotonic()
            if self._together(self.seconds - self.validated_at >= self.recipe.validate_seconds):
                self.record_validation()
            if over:
                break
        bar.close()

    def record_validation(self) -> None:
        """Validate the averaged weights and append the operating points to ``validation.csv``."""
        self.validated_at = self.seconds
        if self.rank or self.validation is None:
            return
        model = copy.deepcopy(self.model)
        model.load_state_dict(self.average.shadow)
        points = validate(model, self.validation, self.recipe.validate_lmbda, self.recipe.validate_images)
        rows = [(self.step, round(self.seconds, 1), p.log10_lmbda, round(p.bpp, 5), round(p.psnr, 4)) for p in points]
        _append(self.folder / "validation.csv", VALIDATION_FIELDS, rows)
        tqdm.write(" | ".join(f"{p.log10_lmbda:g}: {p.bpp:.4f} bpp {p.psnr:.3f} dB" for p in points))

    def _progress(self) -> float:
        if self.recipe.total_steps:
            return self.step / self.recipe.total_steps
        return self.seconds / self.recipe.total_seconds

    def _together(self, decision: bool) -> bool:
        """Return the first process's decision in every process."""
        if self.ranks == 1:
            return decision
        flag = torch.tensor(float(decision), device=self.device)
        dist.broadcast(flag, 0)
        return bool(flag)

    def _network(self) -> torch.nn.Module:
        network: torch.nn.Module = self.model
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            network = torch.compile(network)  # type: ignore[assignment]
        if self.ranks > 1:
            network = torch.nn.parallel.DistributedDataParallel(network, find_unused_parameters=True)
        return network

    def _batches(self) -> Iterator[Tensor]:
        """Yield batches from this step on, prepared ahead by `workers` threads: (N, 3, size, size), 0..1."""

        def load(step: int) -> Tensor:
            crops = self.sampler.batch(step, self.recipe.batch_size, self.rank, self.ranks)
            return torch.from_numpy(crops)

        def finish(crops: Tensor) -> Tensor:
            # The permuted NHWC crops are channels-last already.
            return crops.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float() / 255

        step = self.step
        if not self.recipe.workers:
            while True:
                yield finish(load(step))
                step += 1
        with ThreadPoolExecutor(self.recipe.workers) as pool:
            queue = [pool.submit(load, step + ahead) for ahead in range(2 * self.recipe.workers)]
            while True:
                queue.append(pool.submit(load, step + len(queue)))
                yield finish(queue.pop(0).result())
                step += 1

    def _train_step(self, network: torch.nn.Module, x: Tensor, factor: float) -> tuple[float, float, float]:
        """Take one step; return the loss, the mean rate and the mean PSNR. A non-finite gradient changes nothing."""
        generator = torch.Generator(self.device).manual_seed(
            (self.recipe.seed * 1_000_003 + self.step) * self.ranks + self.rank
        )
        lmbda, bin_size = draw_conditions(x.shape[0], self.recipe, generator)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        whole = self.step >= self.recipe.prior_steps
        self.model.analysis_net.requires_grad_(whole and not self.recipe.frozen_encoder)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            coded = network(x, lmbda, bin_size, self.recipe.quantization, generator, reconstruct=whole)
        loss = objective(coded, x, lmbda, self.recipe.rate_weight_power)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        if bool(torch.isfinite(norm)):
            self.optimizer.step()
            self.average.update(self.model, self.step)
        else:
            self.skipped += 1
        rate, distortion = rate_distortion(coded, x)
        psnr = -10 * torch.log10(distortion.detach().clamp_min(1e-10))
        return loss.item(), rate.mean().item(), psnr.mean().item()

    def _record_curve(self, window: list[tuple[float, float, float]], factor: float, pace: float, bar: Any) -> None:
        if self.rank:
            return
        loss, rate, psnr = np.nanmean(np.array(window), axis=0)
        left = (1 - self._progress()) * (self.seconds / max(self._progress(), 1e-9))
        bar.set_postfix_str(f"loss {loss:.4f} {rate:.3f} bpp {psnr:.2f} dB, {left / 60:.0f} min left")
        row = (self.step, round(self.seconds, 1), *(round(float(v), 5) for v in (loss, rate, psnr)))
        rest = (factor * self.recipe.learning_rate, round(pace, 4), self.skipped)
        _append(self.folder / "curve.csv", CURVE_FIELDS, [(*row, *rest)])

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        names = {id(p): name for name, p in self.model.named_parameters()}
        return {
            f"{names[id(parameter)]}@{key}": torch.as_tensor(value)
            for parameter, state in self.optimizer.state.items()
            for key, value in state.items()
        }

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        for name, tensor in tensors.items():
            parameter, _, key = name.rpartition("@")
            value = tensor.cpu() if key == "step" else tensor
            self.optimizer.state[parameters[parameter]][key] = value


def train(
    settings: RunSettings,
    folder: Path,
    *,
    resume: Path | None = None,
    start_from: Path | None = None,
    seconds: float = math.inf,
    max_file_bytes: int = 2**40,
    compact: bool = False,
) -> Trainer:
    """Run the recipe: continue `folder` (or `resume`) if a checkpoint is there, else start; return the trainer."""
    trainer = Trainer(settings, folder, max_file_bytes, compact)
    source = resume if resume is not None else newest_checkpoint(folder)
    if source is not None:
        trainer.resume(source)
    elif start_from is not None:
        trainer.start_from(start_from)
    else:
        trainer.warm_start()
    trainer.run(seconds)
    trainer.record_validation()
    return trainer


def _device() -> torch.device:
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", "0"))
        torch.cuda.set_device(local)
        return torch.device("cuda", local)
    return torch.device("cpu")


def _append(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(header)
        writer.writerows(rows)
