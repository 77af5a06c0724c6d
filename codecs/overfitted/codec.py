"""The overfitted codec as one of the suite's codecs: its knob is the rate itself, and a file is one fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from isorate.codecs.base import Codec, Knob
from isorate.codecs.device import check_presence, torch_device
from isorate.codecs.options import MOST_THREADS, check_device, check_range
from isorate.errors import CodecError
from isorate.image import Image
from isorate.metrics.torch_defaults import torch_defaults

LOWEST_BPP, HIGHEST_BPP = 0.03, 4.0
DEFAULT_BPP = 0.18
"""The middle of the paper's pictures."""


@dataclass(frozen=True)
class OverfittedCodec(Codec):
    """A small decoder and latents, fitted to each picture and sent together (Cool-chic, C3).

    The rate knob is the rate: λ is led during the fit until the file has the size that was asked for.

    Parameters
    ----------
    effort
        0, 1, 2: 1000, 4000, 10000 steps of the fit; some 3, 8 and 18 minutes of CPU time for 768 × 512.
    steps
        Steps of the fit, in the place of those of `effort`; 0 leaves them.
    objective
        What D of D + λR is: ``mse``, the squared error; ``ms-ssim``, 1 - MS-SSIM; ``mixed``, both. Pictures that
        MS-SSIM is not defined for (a side of 160 pixels or less) are fitted to the squared error.
    seed
        Of the fit's noise. The same picture, rate, seed and number of threads give the same file.
    threads
        CPU threads; 0 leaves PyTorch's setting.
    device
        PyTorch device of fits and pictures. A file made on one device decodes on every other.

    Examples
    --------
    A fit takes minutes::

        codec = OverfittedCodec(effort=1, threads=2)
        data = codec.encode(image, 0.2)
        picture = codec.decode(data)
    """

    name = "overfitted"
    label = "Overfitted"
    suffix = ".ofi"

    effort: Literal[0, 1, 2] = 0
    steps: int = 0
    objective: Literal["mixed", "mse", "ms-ssim"] = "mixed"
    seed: int = 0
    threads: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        check_range(self.name, "steps", self.steps, 0, 10**9)
        check_range(self.name, "seed", self.seed, 0, 2**63)
        check_range(self.name, "threads", self.threads, 0, MOST_THREADS)
        check_device(self.name, self.device)

    @property
    def knob(self) -> Knob:
        """The rate in bits per pixel, every byte of the file counted."""
        typical = tuple((bpp, bpp) for bpp in (LOWEST_BPP, DEFAULT_BPP, HIGHEST_BPP))
        return Knob("bpp", LOWEST_BPP, HIGHEST_BPP, integer=False, rising=True, default=DEFAULT_BPP, typical=typical)

    @property
    def backend(self) -> str:
        """The format's version and PyTorch's."""
        from isorate.codecs.overfitted.bitstream.header import VERSIONS

        check_presence(self.name, self.device)
        return f"isorate overfitted {VERSIONS[-1]}, torch {version('torch')}"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return the whole file for `image`.

        Parameters
        ----------
        image
            (height, width, 3), uint8, sRGB; any size from 1×1.
        knob
            The rate in bits per pixel. How near the file comes depends on the length of the fit.

        Raises
        ------
        CodecError
            When the picture is larger than 33 megapixels.
        """
        from isorate.codecs.overfitted.bitstream.header import MAX_PIXELS
        from isorate.codecs.overfitted.fitting.fit import Fit, image_tensor
        from isorate.codecs.overfitted.fitting.goal import Goal
        from isorate.codecs.overfitted.fitting.progress import progress_bar

        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise CodecError(
                f"overfitted: image of shape {image.shape}, {image.dtype}: (height, width, 3) uint8 is needed"
            )
        num_pixels = image.shape[0] * image.shape[1]
        if num_pixels > MAX_PIXELS:
            raise CodecError(f"overfitted: {image.shape[1]}×{image.shape[0]} is more than {MAX_PIXELS} pixels")
        settings = self._settings()
        with self._ready() as device, progress_bar(settings.all_steps) as progress:
            goal = Goal.of_size(knob * num_pixels / 8, image)
            return Fit(image_tensor(image, device), settings, goal, self.seed).run(progress).data

    def decode(self, data: bytes) -> Image:
        """Return the picture, (height, width, 3) uint8, that the bytes alone describe.

        Raises
        ------
        BitstreamError
            When `data` is foreign, of another version, truncated or damaged.
        """
        from isorate.codecs.overfitted.bitstream.stream import read
        from isorate.codecs.overfitted.picture import picture_of

        content = read(data)
        with self._ready() as device:
            return picture_of(content, device)

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes of header and checksum."""
        from isorate.codecs.overfitted.bitstream.header import unpack

        return len(data) - len(unpack(data)[1])

    def bits_by_part(self, data: bytes) -> dict[str, float]:
        """Return the bits of header and checksum, of the nets' parameters, and of each grid: ``w6``, ``y6``, … ``y0``.

        Those of nets and grids are their probabilities'; the range coder's last words make the file a few bits larger.
        """
        from isorate.codecs.overfitted.bitstream.stream import count_bits, read

        counted = count_bits(read(data))
        found = {"header": 8.0 * (self.header_bytes(data) or 0), "nets": counted.parameters}
        return found | {f"{'w' if grid.hyper else 'y'}{grid.level}": bits for grid, bits in counted.grids}

    def _settings(self) -> Any:
        from isorate.codecs.overfitted.fitting.settings import MS_SSIM_SHARE, STEPS, Settings

        return Settings(steps=self.steps or STEPS[self.effort], ms_ssim_share=MS_SSIM_SHARE[self.objective])

    @contextmanager
    def _ready(self) -> Iterator[Any]:
        """Give the device, with this codec's number of threads."""
        import torch

        before = torch.get_num_threads()
        if self.threads:
            torch.set_num_threads(self.threads)
        try:
            with torch_defaults():
                yield torch_device(self.name, self.device)
        finally:
            torch.set_num_threads(before)
