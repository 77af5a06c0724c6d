"""The learned codec as one of the suite's codecs: two knobs, real files, weights loaded once."""

import functools
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from isorate.codecs.base import Knob, TwoKnobCodec, option
from isorate.codecs.device import check_presence
from isorate.codecs.learned.bitstream import NO_RANGE_CODER
from isorate.codecs.learned.bitstream.weights import (
    BEST,
    known_models,
    path_by_id,
    read_metadata,
    read_rates,
    weights_path,
)
from isorate.codecs.learned.coding.rate_prediction import RateLine, expected_curve
from isorate.codecs.options import MOST_THREADS, check_device, check_range
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, UsageError
from isorate.files.code import code_at
from isorate.image import Image
from isorate.matching.goal import QualityGoal
from isorate.matching.outcome import Files, Match, Policy, QualityMatch
from isorate.metrics.torch_defaults import torch_defaults

if TYPE_CHECKING:
    from isorate.codecs.learned.bitstream.knobs import KnobCodes
    from isorate.codecs.learned.coding.network import Network
    from isorate.codecs.learned.coding.picture import PictureEncoder

LOWEST_LMBDA, HIGHEST_LMBDA = 1e-4, 10**-1.5
DEFAULT_RATE = 0.18
"""bpp of an ordinary photograph at the default λ: the middle of the paper's pictures."""
DEFAULT_BIN_OCTAVES = ((-3.0, 0.0), (-2.0, 0.75))
"""(log10 λ, log2 Δ): a straight line between these, level beyond, is the Δ where none is given.

Of files of one size, low rates, those with a larger Δ and a smaller λ are the better ones: see docs/training.md."""
TYPICAL_BIN_SLOPE = -0.8
"""d ln bpp / d log2 Δ for weights that do not say."""


class _Memo(list[Any]):
    """The last picture's checksum and its encoder; pickled without them."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _Memo, ()


@dataclass(frozen=True)
class LearnedCodec(TwoKnobCodec):
    """The conditional autoencoder, with λ as the coarse and Δ as the fine knob.

    Parameters
    ----------
    model
        Name of the weights that come with the package (``base``; ``small``, faster), or the path of a weights file.
        ``best``: the strongest that come for the objective (``base``, for MS-SSIM ``small``).
    effort
        0: plain. 1: when a rate is asked for, tries several (λ, Δ) that give it and keeps the best picture.
        2: refines the latents of each picture by gradient descent (slow); 3: in five times as many steps. Files are
        decoded alike.
    objective
        What the weights were trained for: ``mse`` or ``ms-ssim``.
    threads
        CPU threads of the networks; 0 leaves PyTorch's setting. Files decode alike; encoding may round a latent
        differently under another number.
    device
        PyTorch device of the networks. A file made on one device decodes on every other.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> image = astronaut()[:256, 128:384]
    >>> codec = LearnedCodec(threads=2)
    >>> codec.decode(codec.encode(image, bpp=0.2)).shape
    (256, 256, 3)
    """

    name = "learned"
    label = "Ours"
    suffix = ".iso"

    model: str = BEST
    effort: Literal[0, 1, 2, 3] = 0
    objective: Literal["mse", "ms-ssim"] = "mse"
    threads: int = option(0, changes_bits=False)
    device: str = option("cpu", changes_bits=False)
    _last: list[Any] = field(default_factory=_Memo, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        check_range(self.name, "threads", self.threads, 0, MOST_THREADS)
        check_device(self.name, self.device)

    @property
    def path(self) -> Path:
        """Where the weights file is."""
        return weights_path(self.model, self.objective)

    @property
    def knob(self) -> Knob:
        """λ, from 10^-1.5 (small files) to 10^-4."""
        lines = _rate_lines(self.path)
        typical = tuple((10.0**line.log10_lmbda, line.mean_bpp) for line in reversed(lines))
        return Knob(
            "lmbda",
            LOWEST_LMBDA,
            HIGHEST_LMBDA,
            integer=False,
            rising=False,
            default=_lmbda_at(DEFAULT_RATE, typical) if typical else 10**-1.75,
            typical=typical,
        )

    @property
    def _default_lmbda(self) -> float:
        default = self.knob.default
        assert default is not None
        return default

    def knob_for(self, image: Image) -> Knob:
        """λ, with the rate curve that `image` is expected to have."""
        lines = _rate_lines(self.path)
        return replace(self.knob, typical=expected_curve(lines, image)) if lines else self.knob

    @property
    def fine_knob(self) -> Knob:
        """Δ, the bin size of the latents, 0.5..2."""
        return self.fine_knob_at(self._default_lmbda)

    def fine_knob_at(self, knob: float) -> Knob:
        """Δ, with its rate curve where λ is `knob`."""
        lines = _rate_lines(self.path)
        slope = TYPICAL_BIN_SLOPE
        if lines:
            places, slopes = zip(*((line.log10_lmbda, line.bin_slope) for line in reversed(lines)), strict=True)
            slope = float(np.interp(np.log10(knob), places, slopes))
        typical = tuple((2.0**octave, float(np.exp(slope * octave))) for octave in (-1, 0, 1))
        return Knob("bin_size", 0.5, 2.0, integer=False, rising=False, typical=typical)

    @property
    def fine_default(self) -> float:
        """Δ at the default λ."""
        return self.fine_default_at(self._default_lmbda)

    def fine_default_at(self, knob: float) -> float:
        """Δ = 1 where λ = `knob` asks for high rates, and up to 1.7 for low ones."""
        return math.exp2(_default_octaves(math.log10(knob)))

    @property
    def backend(self) -> str:
        """The weights by name and fingerprint, and PyTorch's version."""
        if find_spec("constriction") is None:
            raise CodecUnavailableError(NO_RANGE_CODER)
        check_presence(self.name, self.device)
        digest = read_metadata(self.path)["digest"]
        return f"isorate {self.path.stem} {digest[:8]}, torch {version('torch')}"

    @property
    def encoder_files(self) -> Sequence[Path]:
        """pytorch-msssim's code, where it chooses among files of one size."""
        spec = find_spec("pytorch_msssim") if self.objective == "ms-ssim" else None
        folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
        return [path for _, path in sorted(code_at(folders))]

    def encode(
        self, image: Image, knob: float | None = None, fine: float | None = None, *, bpp: float | None = None
    ) -> bytes:
        """Return the whole file for `image`.

        Parameters
        ----------
        image
            (height, width, 3), uint8, sRGB; any size from 1×1.
        knob, fine
            λ and Δ; Δ defaults to :meth:`fine_default_at`. They are put on the stream's grid of 0.05 % and more.
        bpp
            Instead of `knob`: target in bits per pixel, every byte counted, matched as :meth:`encode_to_size` does.

        Raises
        ------
        UsageError
            Unless exactly one of `knob` and `bpp` is given.
        CodecUnavailableError
            When the weights file is missing or damaged, or the device is not there.
        """
        if (knob is None) == (bpp is None):
            raise UsageError("learned: give a value of lmbda or a target in bpp, one of them")
        if bpp is not None:
            if not 0 < bpp < float("inf"):
                raise UsageError(f"learned: a target of {bpp} bpp; a positive number is needed")
            _check_picture(image)
            return self.encode_to_size(image, bpp * image.shape[0] * image.shape[1] / 8)[0]
        assert knob is not None
        fine = self.fine_default_at(knob) if fine is None else fine
        if self.effort < 2:
            return self._encode_plain(image, knob, fine)
        from isorate.codecs.learned.coding.refinement import SCHEDULES, refine

        with self._ready():
            encoder = self._encoder(image)
            return refine(encoder, _codes(encoder, knob, fine), SCHEDULES[self.effort]).data

    def encode_to_size(
        self,
        image: Image,
        num_bytes: float,
        *,
        tolerance_pct: float = 0.5,
        policy: Policy = Policy.NEAREST,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, Match]:
        """See :meth:`isorate.codecs.base.Codec.encode_to_size`; effort decides which file of that size it is.

        The outcome's `passes` are network passes, those of the plain files before a refinement included, those of its
        descent not.
        """
        _check_picture(image)
        held = self._held()
        before = held.passes if held else 0
        data, found = self._to_size(image, num_bytes, tolerance_pct, policy, encode or self.encode)
        now = self._held()
        passes = now.passes - (before if now is held else 0) if now else 0
        return data, replace(found, passes=passes)

    def _to_size(
        self, image: Image, num_bytes: float, tolerance_pct: float, policy: Policy, encode: Callable[..., bytes]
    ) -> tuple[bytes, Match]:
        if self.effort == 0:
            return super().encode_to_size(image, num_bytes, tolerance_pct=tolerance_pct, policy=policy, encode=encode)
        from isorate.codecs.learned.coding.rate_control import best_trade_off, refined_to_size, squared_error

        files = Files(encode, image)
        num_pixels = image.shape[0] * image.shape[1]
        if self.effort == 1:
            compare = squared_error if self.objective == "mse" else _dissimilarity
            found = best_trade_off(
                files.size, self.knobs_for(image), num_bytes,
                num_pixels=num_pixels, tolerance_pct=tolerance_pct, policy=policy,
                error=lambda probe: compare(self.decode(files[probe.knobs]), image),
            )  # fmt: skip
        else:
            found = refined_to_size(
                files.size, Files(self._encode_plain, image).size, self.knobs_for(image), num_bytes,
                num_pixels=num_pixels, tolerance_pct=tolerance_pct, policy=policy,
            )  # fmt: skip
        return files[found.best.knobs], found

    def encode_to_quality(
        self,
        image: Image,
        goal: QualityGoal,
        measure: Callable[[bytes], float],
        *,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, QualityMatch]:
        """See :meth:`isorate.codecs.base.Codec.encode_to_quality`; efforts 2 and 3 refine every file of the search.

        Raises
        ------
        CodecError
            With effort 1, which chooses among files of one size.
        """
        _check_picture(image)
        if self.effort == 1:
            raise CodecError(
                "learned: effort 1 chooses among files of one size, which a quality is not; use effort 0, 2 or 3"
            )
        return super().encode_to_quality(image, goal, measure, encode=encode)

    def _encode_plain(self, image: Image, knob: float, fine: float) -> bytes:
        """Return the file at effort 0."""
        with self._ready():
            encoder = self._encoder(image)
            return encoder.code(_codes(encoder, knob, fine)).data

    def _held(self) -> "PictureEncoder | None":
        """Return the last picture's encoder."""
        return self._last[1] if self._last else None

    def decode(self, data: bytes) -> Image:
        """Return the picture, (height, width, 3) uint8; needs the bytes and the weights file that they name.

        Raises
        ------
        BitstreamError
            When `data` is foreign, of another version, truncated, damaged, or made by weights that are not here.
        """
        from isorate.codecs.learned.bitstream.header import unpack

        header, _ = unpack(data)  # what is refused here is refused without PyTorch
        from isorate.codecs.learned.coding.picture import read_picture

        with self._ready():
            return read_picture(self._network_of(header.model_id), data)

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes of header and checksum."""
        from isorate.codecs.learned.bitstream.header import unpack

        return len(data) - len(unpack(data)[1])

    def bits_by_part(self, data: bytes) -> dict[str, float]:
        """Return the bits of header and checksum, of the hyper-latent w and of the latent z.

        The latents' bits are those of their probabilities; the range coder's end makes the file a few bits larger.
        """
        from isorate.codecs.learned.bitstream.header import unpack

        header, payload = unpack(data)
        from isorate.codecs.learned.coding.picture import latent_bits

        with self._ready():
            hyper, latent = latent_bits(self._network_of(header.model_id), data)
        return {"header": 8.0 * (len(data) - len(payload)), "w": hyper, "z": latent}

    def _network(self) -> "Network":
        from isorate.codecs.learned.coding.network import load_network

        return load_network(self.path, self.device)

    def _network_of(self, model_id: int) -> "Network":
        """Return the network that streams call `model_id`: this codec's own, or another of the package's."""
        from isorate.codecs.learned.coding.network import load_network

        if self.path.is_file() and self._network().weights.model_id == model_id:
            return self._network()
        path = path_by_id(model_id)
        if path is None:
            here = ", ".join(known_models()) or "none"
            raise BitstreamError(
                f"learned: made by weights {model_id:04x}, which are not here (there are: {here}); "
                "learned:model=FILE takes weights from a file, such as an earlier version's"
            )
        return load_network(path, self.device)

    def _encoder(self, image: Image) -> "PictureEncoder":
        """Return the encoder of `image`, the one from before if it is the last call's image."""
        from isorate.codecs.learned.coding.picture import PictureEncoder

        _check_picture(image)
        image = np.array(image, order="C")
        key = hashlib.blake2b(image.data, digest_size=16, salt=f"{image.shape[1]}".encode()).digest()
        if self._last[:1] != [key]:
            self._last[:] = [key, PictureEncoder(self._network(), image)]
        encoder: PictureEncoder = self._last[1]
        return encoder

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Run PyTorch without gradients and with this codec's number of threads, on a device that is there."""
        import torch

        check_presence(self.name, self.device)
        before = torch.get_num_threads()
        if self.threads:
            torch.set_num_threads(self.threads)
        try:
            with torch_defaults(), torch.no_grad():
                yield
        finally:
            torch.set_num_threads(before)


def _check_picture(image: Image) -> None:
    """Refuse what is no 8-bit RGB picture, or too large a one."""
    from isorate.codecs.learned.bitstream.header import extended_size_problem

    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise CodecError(f"learned: image of shape {image.shape}, {image.dtype}: (height, width, 3) uint8 is needed")
    if problem := extended_size_problem(image.shape[1], image.shape[0]):
        raise CodecError(f"learned: {problem}")


def _codes(encoder: "PictureEncoder", lmbda: float, bin_size: float) -> "KnobCodes":
    """Return the stream's codes nearest to λ and Δ."""
    from isorate.codecs.learned.bitstream.knobs import KnobCodes

    return KnobCodes.nearest(lmbda, bin_size, encoder.network.config.knots)


def _dissimilarity(one: Image, other: Image) -> float:
    """Return 1 - MS-SSIM, or the squared error of pictures too small for it."""
    from isorate.codecs.learned.coding.rate_control import squared_error
    from isorate.metrics import ms_ssim

    similarity = ms_ssim(other, one)
    return squared_error(one, other) if similarity is None else 1 - similarity


@functools.cache
def _rate_lines(path: Path) -> list[RateLine]:
    """Return the rate lines in the weights file at `path`, at the default Δ, λ descending; none without the file.

    Raises
    ------
    CodecUnavailableError
        When the file is damaged or of another layout.
    """
    if not path.is_file():
        return []
    lines = RateLine.read(read_rates(path, read_metadata(path)).get("lines", []))
    return [line.moved(_default_octaves(line.log10_lmbda)) for line in lines]


def _default_octaves(log10_lmbda: float) -> float:
    places, octaves = zip(*DEFAULT_BIN_OCTAVES, strict=True)
    return float(np.interp(log10_lmbda, places, octaves))


def _lmbda_at(bpp: float, typical: tuple[tuple[float, float], ...]) -> float:
    """Return λ at `bpp` on a curve of (λ, bpp), λ ascending."""
    lmbdas, rates = zip(*reversed(typical), strict=True)
    return float(np.exp(np.interp(np.log(bpp), np.log(rates), np.log(lmbdas))))
