"""``python -m isorate.codecs.overfitted.tools.bench``: seconds of a fit's step, of its parts, and of decoding.

On a picture of Kodak's size. CPU time of this process, the least of several tries: machines are noisy.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from isorate.codecs.overfitted.bitstream import stream
from isorate.codecs.overfitted.bitstream.parameters import KINDS, Coding, best_scale, flat
from isorate.codecs.overfitted.fitting.fit import Fit, image_tensor
from isorate.codecs.overfitted.fitting.goal import Goal
from isorate.codecs.overfitted.fitting.rounding import soft_round
from isorate.codecs.overfitted.fitting.settings import Settings
from isorate.codecs.overfitted.model import decoder
from isorate.codecs.overfitted.model.structure import parameters
from isorate.codecs.overfitted.picture import picture_of

TRIES = 5
HEIGHT, WIDTH = 512, 768


def seconds(work: Callable[[], object]) -> float:
    """Return the least CPU seconds of `work`, after one call that warms up."""
    work()
    taken = []
    for _ in range(TRIES):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure a fit's step and decoding.")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    device = torch.device("cpu")
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    fit = Fit(image_tensor(noise, device), Settings(), Goal(0.003))
    state = fit.state
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(sum(map(len, state.latents)), generator=generator) * 0.4
    given_latents = latents.clone().requires_grad_()
    params = {name: value.detach().requires_grad_() for name, value in state.matrices().items()}

    def bits() -> None:
        state.decoder.bits(given_latents, params).sum().backward()  # type: ignore[no-untyped-call]

    def error() -> None:
        state.decoder.error(given_latents, params, state.image).backward()  # type: ignore[no-untyped-call]

    work: dict[str, Callable[[], object]] = {
        "a step": lambda: fit.descend_once(0.5, 1.0, fit),
        "  rounding": lambda: soft_round(given_latents, latents * 0.2, 0.3).sum().backward(),  # type: ignore[no-untyped-call]
        "  context model": bits,
        "  picture": error,
        "  nets' optimizers": lambda: fit.optimizers.step_nets(1.0),
    }
    for name, function in work.items():
        print(f"{name:18} {seconds(function):.3f} s")
    levels = {name: np.zeros(shape, np.int64) for name, shape in parameters().items()}
    codings = tuple(Coding(5, best_scale(flat(levels, kind))[0]) for kind in KINDS)
    whole = [torch.round(y).to(torch.int64).numpy() for y in decoder.split(latents, state.grids)]
    content = stream.Content(HEIGHT, WIDTH, 1, levels, codings, whole)
    data = stream.write(content)
    print(f"{'reading a stream':18} {seconds(lambda: stream.read(data)):.3f} s, {len(data)} bytes")
    print(f"{'its picture':18} {seconds(lambda: picture_of(content, device)):.3f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
