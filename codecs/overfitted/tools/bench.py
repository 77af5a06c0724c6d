"""Seconds of a fit's step, of its parts, and of decoding.

On a picture of Kodak's size. CPU time of this process, the least of several tries: machines are noisy.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.bitstream.header import VERSIONS
from isorate.codecs.overfitted.bitstream.parameters import KINDS, Coding, Reading, best_scale, flat
from isorate.codecs.overfitted.fitting.fit import Fit, image_tensor
from isorate.codecs.overfitted.fitting.goal import Goal
from isorate.codecs.overfitted.fitting.rounding import soft_round
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.codecs.overfitted.model import decoder
from isorate.codecs.overfitted.model.structure import parameters
from isorate.codecs.overfitted.picture import picture_of

HEIGHT, WIDTH = 512, 768


def run(*, threads: int = 1, repeats: int = 5) -> Iterator[tuple[str, float]]:
    """Yield the parts of a fit and of decoding with their CPU seconds: the least of the repeats."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for name, work in parts().items():
            yield name, _seconds(work, repeats)
    finally:
        torch.set_num_threads(before)


def parts() -> dict[str, Callable[[], object]]:
    """Return a fit's step, what it consists of, and decoding, each as a call; the decoded stream is noise."""
    device = torch.device("cpu")
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    fit = Fit(image_tensor(noise, device), Settings(), Goal(0.003))
    state = fit.state
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(sum(map(len, state.latents)), generator=generator) * 0.4
    given = latents.clone().requires_grad_()
    params = {name: value.detach().requires_grad_() for name, value in state.matrices().items()}
    levels = {name: np.zeros(shape, np.int64) for name, shape in parameters().items()}
    reading = Reading(1, VERSIONS[-1])
    codings = tuple(Coding(5, best_scale(flat(levels, kind, reading), reading)[0]) for kind in KINDS)
    whole = [torch.round(y).to(torch.int64).numpy() for y in decoder.split(latents, state.grids)]
    content = stream.Content(HEIGHT, WIDTH, 1, levels, codings, whole)
    data = stream.write(content)

    def bits() -> None:
        state.decoder.bits(given, params).sum().backward()  # type: ignore[no-untyped-call]

    def error() -> None:
        state.decoder.distortion(given, params, state.target).backward()  # type: ignore[no-untyped-call]

    return {
        "a step": lambda: fit.descend_once(0.5, 1.0, fit),
        "  rounding": lambda: soft_round(given, latents * 0.2, 0.3).sum().backward(),  # type: ignore[no-untyped-call]
        "  context model": bits,
        "  picture": error,
        "  nets' optimizers": lambda: fit.optimizers.step_nets(1.0),
        "reading a stream": lambda: stream.read(data),
        "its picture": lambda: picture_of(content, device),
    }


def _seconds(work: Callable[[], object], repeats: int) -> float:
    work()  # compiles and warms up
    taken = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)
