"""Seconds of the learned codec next to CompressAI's, in one run.

CompressAI's ``mbt2018`` (autoregressive) and ``mbt2018-mean`` take part with random weights where `compressai` is
installed: speed does not depend on training much, and nothing is downloaded. ``base`` has random weights, too, as long
as there is no file of its own. Machines are noisy: ratios within one run say more than seconds.
"""

import importlib
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.latents import hyper_size, rdoq_latents, read_payload, to_symbols, write_payload
from isorate.codecs.learned.bitstream.weights import weights_path
from isorate.codecs.learned.coding.network import Network, load_network
from isorate.codecs.learned.coding.picture import PictureEncoder, read_picture
from isorate.codecs.learned.model.autoencoder import ConditionalAutoencoder
from isorate.codecs.learned.model.config import ModelConfig
from isorate.codecs.learned.tools.export import weights_of
from isorate.image import Image

LMBDA = 10**-1.75
CONFIGS = Path(__file__).parents[1] / "configs"
OTHERS = ("mbt2018-mean", "mbt2018")
OTHERS_QUALITY = 3
T = TypeVar("T")
PARTS = (
    "encode: analysis",
    "encode: hyper-analysis",
    "encode: integer priors and rounding by cost",
    "encode: range coder",
    "decode: integer priors and range coder",
    "decode: synthesis",
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one codec: the fastest of the repeats, which other work on the machine disturbs least."""

    name: str
    encode_s: float
    decode_s: float


def photograph() -> Image:
    """Return 768×512 pixels of scikit-image's coffee, mirrored at the edges."""
    from skimage import data

    coffee = np.pad(data.coffee(), ((0, 112), (0, 168), (0, 0)), mode="reflect")
    return np.ascontiguousarray(coffee[:512, :768])


def run(image: Image | None = None, *, threads: int = 2, repeats: int = 5) -> list[Timing]:
    """Return the timings of `small`, `base` and what CompressAI offers here, on one picture at effort 0."""
    picture = photograph() if image is None else image
    with _threads(threads):
        timings = [_learned(name, network_of(name), picture, repeats) for name in ("small", "base")]
        return timings + [timing for name in OTHERS if (timing := _compressai(name, picture, repeats)) is not None]


def profile_small(*, threads: int = 2, repeats: int = 5) -> dict[str, float]:
    """Return the profile of `small` on the same picture."""
    with _threads(threads):
        works = parts(network_of("small"), photograph())
        return {name: _seconds(work, repeats) for name, work in works.items()}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Run PyTorch without gradients on `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(before)


def network_of(model: str) -> Network:
    """Return the network of `model`, with random weights if it has no file."""
    path = weights_path(model)
    if path.is_file():
        return load_network(path)
    torch.manual_seed(0)
    shape = tomllib.loads((CONFIGS / f"{model}.toml").read_text(encoding="utf-8"))["model"]
    return Network(weights_of(ConditionalAutoencoder(ModelConfig.from_dict(shape)), {}, {}))


def encode(network: Network, image: Image) -> bytes:
    """Return the file of `image` at effort 0."""
    return PictureEncoder(network, image).code(_codes(network)).data


def decode(network: Network, data: bytes) -> Image:
    """Return the picture that `data` holds."""
    return read_picture(network, data)


def parts(network: Network, image: Image) -> dict[str, Callable[[], object]]:
    """Return the `PARTS` of encoding and decoding, each a call that finds the results of those before it at hand."""
    codes = _codes(network)
    step, size = network.bin_size(codes), hyper_size(*image.shape[:2])
    works: dict[str, Callable[[], object]] = {}

    def part(work: Callable[[], T]) -> T:
        works[PARTS[len(works)]] = work
        return work()

    y = part(lambda: network.analysis(image, codes))
    w = part(lambda: to_symbols(network.hyper_analysis(to_symbols(y / step), image, codes) / step))
    _, steps = part(lambda: rdoq_latents(w, y / step, network.conditioned(codes), network.tables))
    payload = part(lambda: write_payload(steps, network.tables))
    latents, features = part(lambda: read_payload(payload, size, network.conditioned(codes), network.tables))
    part(lambda: network.synthesis(latents.z, features, codes, *image.shape[:2]))
    return works


def _codes(network: Network) -> KnobCodes:
    return KnobCodes.nearest(LMBDA, 1.0, network.config.knots)


def _learned(name: str, network: Network, image: Image, repeats: int) -> Timing:
    data = encode(network, image)
    encode_s = _seconds(lambda: encode(network, image), repeats)
    return Timing(name, encode_s, _seconds(lambda: decode(network, data), repeats))


def _compressai(name: str, image: Image, repeats: int) -> Timing | None:
    try:
        architectures = importlib.import_module("compressai.zoo").image_models
    except ImportError:
        return None
    torch.manual_seed(0)
    net = architectures[name](quality=OTHERS_QUALITY, pretrained=False).eval()
    net.update(force=True)
    x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    coded = net.compress(x)
    encode_s = _seconds(lambda: net.compress(x), repeats)
    return Timing(name, encode_s, _seconds(lambda: net.decompress(coded["strings"], coded["shape"]), repeats))


def _seconds(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)
