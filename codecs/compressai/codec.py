"""Any image model of CompressAI with the user's checkpoints: one checkpoint a rate, or one of variable rate."""

import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from isorate.codecs.base import Codec, Knob, Option, option
from isorate.codecs.compressai import container, models
from isorate.codecs.compressai.container import MAX_SIDE, STRIDE, Contents
from isorate.codecs.device import check_presence
from isorate.codecs.options import check_device
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError
from isorate.image import Image
from isorate.metrics.torch_defaults import torch_defaults

ENDINGS = (".pth", ".tar", ".pt", ".ckpt")
LOWEST_GAIN, HIGHEST_GAIN = 0.1, 1.0
"""Of variable-rate models: quantization steps of 10 to 1, which they are trained for."""
ORDINARY = 0.12, 1.5
"""Rates of the zoo's models at both ends, in bits per pixel."""


@dataclass(frozen=True)
class CompressAI(Codec):
    """A model of CompressAI's registry; the knob counts the checkpoints of a folder.

    Entropy parameters are computed in floating point: files may not decode on a machine that computes otherwise.

    The knob of a variable-rate model (``bmshj2018-hyperprior-vbr``, ``mbt2018-mean-vbr``, ``mbt2018-vbr``: Kamisli,
    Racapé & Choi, DCC 2024) is its gain, the inverse of the quantization step, so that it meets every size between its
    ends.

    Parameters
    ----------
    model
        A name of CompressAI's registry: ``bmshj2018-hyperprior``, ``mbt2018-mean``, ``cheng2020-anchor`` and others.
    checkpoints
        A checkpoint, or a folder of them whose names sort by rising rate (``q1.pth.tar``, ``q2.pth.tar``, …).
    device
        PyTorch device of the model. A file made on one device may not decode on another.
    """

    name = "compressai"
    label = "CompressAI"
    suffix = ".cai"

    model: str = ""
    checkpoints: str = option("", changes_bits=False)
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        check_device(self.name, self.device)

    @property
    def knob(self) -> Knob:
        """The checkpoint's number, from 1, or a variable-rate model's gain."""
        files = self._files()
        if models.is_variable(self.model):
            typical = tuple(zip((LOWEST_GAIN, HIGHEST_GAIN), ORDINARY, strict=True))
            return Knob("gain", LOWEST_GAIN, HIGHEST_GAIN, integer=False, rising=True, default=0.25, typical=typical)
        # the ends' rates span a range also where there is one checkpoint
        typical = tuple(zip((1.0, max(len(files), 2.0)), ORDINARY, strict=True))
        middle = (len(files) + 1) // 2
        return Knob("quality", 1, len(files), integer=True, rising=True, log=False, default=middle, typical=typical)

    @property
    def backend(self) -> str:
        """CompressAI's and PyTorch's versions and the model."""
        models.registry()
        self._files()
        check_presence(self.name, self.device)
        return f"CompressAI {version('compressai')}, {self.model}, PyTorch {version('torch')}"

    @property
    def options(self) -> dict[str, Option]:
        """The model, and a digest of its checkpoints in place of their path."""
        digests = "".join(_digest(file).hex() for file in self._files())
        return {**super().options, "weights": hashlib.sha256(digests.encode()).hexdigest()[:12], "chroma": "444"}

    @torch_defaults()
    def encode(self, image: Image, knob: float) -> bytes:
        """Return a small header and the model's strings."""
        import torch

        height, width = image.shape[:2]
        if max(height, width) > MAX_SIDE:
            raise CodecError(f"compressai: {width}×{height} is too large, a side may have {MAX_SIDE} pixels at most")
        gain = container.gain_of(knob) if models.is_variable(self.model) else None
        number = 1 if gain is not None else round(knob)
        file = self._files()[number - 1]
        padding = ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0))
        padded = np.pad(image, padding, "edge").astype(np.float32) / 255
        network = self._network(file)
        with torch.inference_mode():
            x = torch.from_numpy(padded).permute(2, 0, 1)[None].contiguous().to(self.device)
            out = network.compress(x, **self._at(network, gain))
        strings = [batch[0] for batch in out["strings"]]
        rows, columns = (int(side) for side in out["shape"])
        return container.pack(Contents(number, _digest(file), (height, width), (rows, columns), strings, gain))

    @torch_defaults()
    def decode(self, data: bytes) -> Image:
        """Return the pixels that the checkpoint named in the header gives."""
        import torch

        found = container.unpack(data)
        files = self._files()
        if not 1 <= found.checkpoint <= len(files):
            raise BitstreamError(f"compressai: the file names checkpoint {found.checkpoint}, there are {len(files)}")
        file = files[found.checkpoint - 1]
        if _digest(file) != found.digest:
            raise BitstreamError(f"compressai: the file was made by another checkpoint than {file.name}")
        if (found.gain is not None) != models.is_variable(self.model):
            raise BitstreamError(f"compressai: the file was made by a model of another kind than {self.model}")
        network = self._network(file)
        try:
            with torch.inference_mode():
                strings = [[string] for string in found.strings]
                out = network.decompress(strings, found.shape, **self._at(network, found.gain))
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            raise BitstreamError(f"compressai: damaged strings: {error}") from None
        pixels = out["x_hat"][0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
        height, width = found.size
        if pixels.shape[0] < height or pixels.shape[1] < width:
            raise BitstreamError(f"compressai: strings of {pixels.shape[:2]} pixels for a picture of {(height, width)}")
        return np.ascontiguousarray(pixels[:height, :width])

    def header_bytes(self, data: bytes) -> int | None:
        """Return the header's bytes and those of the lengths."""
        return container.header_bytes(data)

    def _network(self, file: Path) -> Any:
        return models.network(self.model, file, file.stat().st_mtime_ns, self.device)

    def _at(self, network: Any, gain: float | None) -> dict[str, Any]:
        """Return what a variable-rate model is called with, its tables made for the gain where they depend on it."""
        if gain is None:
            return {}
        import torch

        scale = torch.tensor(gain, device=self.device)
        if hasattr(network.entropy_bottleneck, "update_variable"):
            network.update(force=True, scale=scale)
        return {"inputscale": scale}

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
        if models.is_variable(self.model) and len(files) > 1:
            raise CodecUnavailableError(
                f"compressai: {self.model} has one checkpoint for all rates, and {path} has {len(files)}: name the file"
            )
        return sorted(
            files, key=lambda f: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", f.name)]
        )


def _digest(file: Path) -> bytes:
    return models.digest(file, file.stat().st_mtime_ns)
