"""Nets that fits start from.

What nets a fit ends with depends on its first steps, which decide what grid holds brightness and what grid colour, and
differs by 20 % in D + λR. So nets are chosen: single crops of training photographs are fitted from random nets, and the
nets of each are tried as the start of short fits of other crops. A stream holds its nets as differences to the best of
them, and a fit begins there. Training nets on many crops together gave worse starts, low rates or not.
"""

import math
import sys

import torch
from safetensors.torch import save
from torch import Tensor

from isorate.codecs.learned.training.data import CropSampler, Pack
from isorate.codecs.overfitted.bitstream.parameters import UNIT_BITS
from isorate.codecs.overfitted.bitstream.starts import PLAIN
from isorate.codecs.overfitted.fitting.fit import Fit, image_tensor
from isorate.codecs.overfitted.fitting.goal import Goal
from isorate.codecs.overfitted.fitting.settings import Settings

CROP = 192
SMALLEST_SCALE = 0.6
CANDIDATE_STEPS, TRIAL_STEPS, TRIALS = 260, 80, 4
Nets = dict[str, Tensor]


def candidate(image: Tensor, lmbda: float, seed: int) -> Nets:
    """Return the nets of a fit of `image` from random ones."""
    fit = Fit(image, Settings(steps=CANDIDATE_STEPS, start=PLAIN, warm_up=0.24), Goal(lmbda), seed)
    fit.train()
    return {name: value.detach().clone() for name, value in fit.state.params.items()}


def score(nets: Nets, images: list[Tensor], lmbda: float) -> float:
    """Return the geometric mean of D + λR after short fits of `images` that begin with `nets`."""
    total = 0.0
    for image in images:
        fit = Fit(image, Settings(steps=TRIAL_STEPS, start=PLAIN, tries=1, warm_up=0.0, end=0.0), Goal(lmbda))
        _put(nets, fit)
        fit.train()
        measured = fit.state.measure()
        total += math.log(measured.distortion + lmbda * measured.bits / fit.state.num_pixels)
    return math.exp(total / len(images))


@torch.no_grad()
def _put(nets: Nets, fit: Fit) -> None:
    for name, value in fit.state.params.items():
        value.copy_(nets[name])


def _storable(nets: Nets) -> Nets:
    """Return nets whose context model is in the integers' units."""
    found = {}
    for name, value in nets.items():
        exact = name.partition(".")[0] in ("arm", "features")
        matrix = value.flatten(1) if value.dim() == 4 and value.shape[2:] == (1, 1) else value
        found[name] = (torch.round(matrix * 2**UNIT_BITS) / 2**UNIT_BITS if exact else matrix).contiguous()
    return found


def choose(pack: Pack, candidates: int, lmbda: float, seed: int) -> Nets:
    """Return starting nets for fits at about `lmbda`."""
    sampler = CropSampler(pack, CROP, SMALLEST_SCALE, seed)
    images = [image_tensor(sampler.crop(number), torch.device("cpu")) for number in range(candidates + TRIALS)]
    best: tuple[float, Nets] | None = None
    for number, image in enumerate(images[TRIALS:]):
        nets = candidate(image, lmbda, number)
        scored = score(nets, images[:TRIALS], lmbda)
        print(f"candidate {number}: {1e3 * scored:.4f}e-3", file=sys.stderr, flush=True)
        if best is None or scored < best[0]:
            best = scored, nets
    assert best is not None
    return _storable(best[1])


def serialize(nets: Nets) -> bytes:
    """Return a weights file, in the form of those of ``bitstream/starts``."""
    return save(nets)
