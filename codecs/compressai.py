"""Any image model of CompressAI with the user's checkpoints: one checkpoint a rate."""

import hashlib
import re
import struct
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from isorate.codecs.base import Codec, Knob, Option, option
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError
from isorate.image import Image

MAGIC = b"CA"
HEADER = struct.Struct(">2sB4sHHHHB")
"""Magic, checkpoint, its digest, height, width, the latent's height and width, the number of strings."""
LENGTH = struct.Struct(">I")
MAX_SIDE = 65535
STRIDE = 64
"""The factor that every model of the zoo divides a side by, hyper-latents included."""
ENDINGS = (".pth", ".tar", ".pt", ".ckpt")


@dataclass(frozen=True)
class CompressAI(Codec):
    """A model of CompressAI's registry; the knob counts the checkpoints of a folder.

    Entropy parameters are computed in floating point: files may not decode on a machine that computes otherwise.

    Parameters
    ----------
    model
        A name of CompressAI's registry: ``bmshj2018-hyperprior``, ``mbt2018-mean``, ``cheng2020-anchor`` and others.
    checkpoints
        A checkpoint, or a folder of them whose names sort by rising rate (``q1.pth.tar``, ``q2.pth.tar``, …).
    """

    name = "compressai"
    label = "CompressAI"
    suffix = ".cai"

    model: str = ""
    checkpoints: str = option("", changes_bits=False)

    @property
    def knob(self) -> Knob:
        """The checkpoint's number, from 1."""
        count = len(self._files())
        # the ends' rates are those of the zoo's models, and span a range also where there is one checkpoint
        typical = ((1.0, 0.12), (max(count, 2.0), 1.5))
        return Knob(
            "quality", 1, count, integer=True, rising=True, log=False, default=(count + 1) // 2, typical=typical
        )

    @property
    def backend(self) -> str:
        """CompressAI's and PyTorch's versions and the model."""
        _registry()
        self._files()
        return f"CompressAI {version('compressai')}, {self.model}, PyTorch {version('torch')}"

    @property
    def options(self) -> dict[str, Option]:
        """The model, and a digest of its checkpoints in place of their path."""
        digests = "".join(_digest(file, file.stat().st_mtime_ns).hex() for file in self._files())
        return {**super().options, "weights": hashlib.sha256(digests.encode()).hexdigest()[:12], "chroma": "444"}

    def encode(self, image: Image, knob: float) -> bytes:
        """Return a small header and the model's strings."""
        import torch

        height, width = image.shape[:2]
        if max(height, width) > MAX_SIDE:
            raise CodecError(f"compressai: {width}×{height} is too large, a side may have {MAX_SIDE} pixels at most")
        file = self._files()[round(knob) - 1]
        padding = ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0))
        padded = np.pad(image, padding, "edge").astype(np.float32) / 255
        with torch.inference_mode():
            out = _network(self.model, file, file.stat().st_mtime_ns).compress(
                torch.from_numpy(padded).permute(2, 0, 1)[None].contiguous()
            )
        strings = [batch[0] for batch in out["strings"]]
        rows, columns = (int(side) for side in out["shape"])
        digest = _digest(file, file.stat().st_mtime_ns)
        head = HEADER.pack(MAGIC, round(knob), digest, height, width, rows, columns, len(strings))
        return head + b"".join(LENGTH.pack(len(string)) + string for string in strings)

    def decode(self, data: bytes) -> Image:
        """Return the pixels that the checkpoint named in the header gives."""
        import torch

        quality, digest, (height, width), shape, strings = _unpack(data)
        files = self._files()
        if not 1 <= quality <= len(files):
            raise BitstreamError(f"compressai: the file names checkpoint {quality}, there are {len(files)}")
        file = files[quality - 1]
        if _digest(file, file.stat().st_mtime_ns) != digest:
            raise BitstreamError(f"compressai: the file was made by another checkpoint than {file.name}")
        try:
            with torch.inference_mode():
                out = _network(self.model, file, file.stat().st_mtime_ns).decompress([[s] for s in strings], shape)
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            raise BitstreamError(f"compressai: damaged strings: {error}") from None
        pixels = out["x_hat"][0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
        if pixels.shape[0] < height or pixels.shape[1] < width:
            raise BitstreamError(f"compressai: strings of {pixels.shape[:2]} pixels for a picture of {(height, width)}")
        return np.ascontiguousarray(pixels[:height, :width])

    def header_bytes(self, data: bytes) -> int | None:
        """Return the header's bytes and those of the lengths."""
        return HEADER.size + LENGTH.size * data[HEADER.size - 1]

    def _files(self) -> list[Path]:
        if not self.model or not self.checkpoints:
            raise CodecUnavailableError(
                "compressai: name a model and your checkpoints: compressai:model=mbt2018-mean,checkpoints=FOLDER"
            )
        try:
            path = Path(self.checkpoints).expanduser()
        except RuntimeError:
            raise CodecUnavailableError(
                f"compressai: checkpoints={self.checkpoints}: there is no such home folder; write the path out"
            ) from None
        files = [path] if path.is_file() else [f for f in path.glob("*") if f.name.endswith(ENDINGS)]
        if not files:
            raise CodecUnavailableError(f"compressai: {path} is no checkpoint and no folder with {', '.join(ENDINGS)}")
        return sorted(
            files, key=lambda f: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", f.name)]
        )


def _unpack(data: bytes) -> tuple[int, bytes, tuple[int, int], tuple[int, int], list[bytes]]:
    """Return checkpoint, digest, size, latent shape and strings of a file."""
    if len(data) < HEADER.size or data[:2] != MAGIC:
        raise BitstreamError(f"not a file of CompressAI's models ({len(data)} bytes)")
    _, quality, digest, height, width, rows, columns, count = HEADER.unpack_from(data)
    strings, at = [], HEADER.size
    for _ in range(count):
        if at + LENGTH.size > len(data):
            raise BitstreamError("compressai: the file ends inside its header")
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        strings.append(data[at : at + length])
        at += length
    if at != len(data):
        raise BitstreamError(f"compressai: {len(data)} bytes, and the header says {at}: truncated or damaged")
    if not 0 < rows * columns <= (-(-height // STRIDE) * -(-width // STRIDE)) * (STRIDE // 4) ** 2:
        raise BitstreamError(f"compressai: a latent of {rows}×{columns} for a picture of {height}×{width}")
    return quality, digest, (height, width), (rows, columns), strings


def _registry() -> dict[str, Any]:
    try:
        version("compressai")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import compressai.models  # noqa: F401  fills the registry
            from compressai.registry import MODELS
    except PackageNotFoundError as error:
        raise CodecUnavailableError(f"compressai: {error}; pip install 'isorate[compressai]'") from None
    except (ImportError, RuntimeError, OSError) as error:
        raise CodecUnavailableError(f"compressai: {error}; {_remedy()}") from None
    return MODELS  # type: ignore[no-any-return]


def _remedy() -> str:
    """Return what helps where the package is there and cannot be imported: mostly torchvision of another build."""
    try:
        vision = version("torchvision")
    except PackageNotFoundError:
        return "pip install 'isorate[compressai]'"
    return (
        f"PyTorch {version('torch')} and torchvision {vision} must be of one build, and PyPI's are for CUDA: "
        "uv pip install --torch-backend=auto --reinstall torch torchvision, or both as PyTorch's installation page says"
    )


@cache
def _network(model: str, file: Path, changed: int) -> Any:
    """Return the model with the checkpoint's weights, ready to code."""
    import torch

    models = _registry()
    if model not in models:
        raise CodecUnavailableError(f"compressai: no model {model!r}; there are: {', '.join(sorted(models))}")
    from compressai.zoo.pretrained import load_pretrained

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.load(file, map_location="cpu", weights_only=True)
            network = models[model].from_state_dict(load_pretrained(loaded.get("state_dict", loaded)))
            network.eval().update()
    except Exception as error:  # pickles and shapes of any origin
        raise CodecError(f"compressai: {file} is no checkpoint of {model}: {error}") from None
    return network


@cache
def _digest(file: Path, changed: int) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()[:4]
