"""``python -m isorate.codecs.overfitted.tools.starting_weights --data PACK --out FILE``: nets that fits start from.

Crops of training photographs are fitted together: each has latents of its own, all share the nets. A stream
holds its nets as differences to the result, and a fit begins there.
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from isorate.codecs.learned.training.data import CropSampler, Pack
from isorate.codecs.overfitted.bitstream.parameters import UNIT_BITS
from isorate.codecs.overfitted.bitstream.starts import NUMBERS, PLAIN
from isorate.codecs.overfitted.fitting.fit import Fit, image_tensor
from isorate.codecs.overfitted.fitting.goal import Goal
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.errors import IsorateError

CROP = 256
SMALLEST_SCALE = 0.6
TEMPERATURE = (0.35, 0.15)
"""A lower last one makes steps of 0.1 of the rates destroy latents."""
LAST_RATE = 0.1
"""Share of the learning rates at the end."""


def train(pack: Pack, crops: int, visits: int, lmbda: float, seed: int, start: int) -> dict[str, torch.Tensor]:
    """Return the nets that fit `crops` crops of `pack` together, each seen `visits` times."""
    sampler = CropSampler(pack, CROP, SMALLEST_SCALE, seed)
    settings = Settings(start=start, temperature=TEMPERATURE)
    fits = [
        Fit(image_tensor(sampler.crop(number), torch.device("cpu")), settings, Goal(lmbda), seed)
        for number in range(crops)
    ]
    nets = fits[0]
    if start == PLAIN:
        bias = nets.state.params["synthesis.linear.bias"]
        with torch.no_grad():
            bias.copy_(torch.stack([fit.state.image.mean((1, 2)) for fit in fits]).mean(0))
    for fit in fits[1:]:
        fit.state.params = nets.state.params
    draw = np.random.default_rng(seed)
    total = crops * visits
    losses = np.zeros(crops)
    with tqdm(total=total, disable=None) as bar:
        for visit in range(visits):
            for place in draw.permutation(crops):
                done = bar.n / total
                fall = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))
                losses[place] = fits[place].descend_once(visit / visits, fall, nets)
                bar.update()
            bar.set_postfix(loss=f"{1e3 * losses.mean():.3f}e-3")
            if visit % 10 == 9 and bar.disable:
                print(f"{visit + 1} visits, mean loss {1e3 * losses.mean():.4f}e-3", file=sys.stderr, flush=True)
    found = {}
    for name, value in nets.state.matrices().items():
        exact = name.partition(".")[0] in ("arm", "features")
        found[name] = torch.round(value * 2**UNIT_BITS) / 2**UNIT_BITS if exact else value
    return {name: value.detach().clone().contiguous() for name, value in found.items()}


def main(arguments: list[str] | None = None) -> int:
    """Train and write; return the exit status."""
    parser = argparse.ArgumentParser(description="Train the nets that fits start from.")
    parser.add_argument("--data", type=Path, required=True, help="a pack of photographs (NAME of NAME.bin, NAME.json)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--crops", type=int, default=64)
    parser.add_argument("--visits", type=int, default=150)
    parser.add_argument("--lmbda", type=float, default=0.003)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=PLAIN, choices=NUMBERS, help="where the nets begin")
    given = parser.parse_args(arguments)
    try:
        nets = train(Pack(given.data), given.crops, given.visits, given.lmbda, given.seed, given.start)
        save_file(nets, given.out)
    except IsorateError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
