"""Encoding one picture at any (λ, Δ), with what its last λ gave kept for the next Δ."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isorate.codecs.learned.bitstream.header import Header, pack, unpack
from isorate.codecs.learned.bitstream.knobs import KnobCodes
from isorate.codecs.learned.bitstream.latents import (
    CodedStep,
    Latents,
    estimated_bits,
    hyper_size,
    rdoq_latents,
    read_payload,
    run_priors,
    symbol_count,
    to_symbols,
    write_payload,
)
from isorate.codecs.learned.coding.network import Network
from isorate.codecs.learned.model.partition import STEPS
from isorate.codecs.learned.model.quantization import RDOQ_WEIGHT
from isorate.errors import BitstreamError
from isorate.image import Image


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """A picture encoded at one (λ, Δ).

    Attributes
    ----------
    codes
        λ and Δ.
    latents
        The symbols.
    data
        The whole file.
    """

    codes: KnobCodes
    latents: Latents
    data: bytes


class PictureEncoder:
    """One picture and one network.

    Attributes
    ----------
    passes
        Network passes so far: runs of the analysis, and of hyper-analysis and priors together.
    """

    def __init__(self, network: Network, image: Image) -> None:
        self.network = network
        self.image = image
        self.passes = 0
        self._latent: tuple[int, Tensor] | None = None
        self._coded: CodedPicture | None = None

    def latent(self, codes: KnobCodes) -> Tensor:
        """Return the latent y before quantization, (M, H/16, W/16); it depends on λ alone."""
        if self._latent is None or self._latent[0] != codes.lmbda:
            self.passes += 1
            self._latent = (codes.lmbda, self.network.analysis(self.image, codes))
        return self._latent[1]

    def code(self, codes: KnobCodes) -> CodedPicture:
        """Return the picture encoded at `codes`."""
        if self._coded is None or self._coded.codes != codes:
            y = self.latent(codes) / self.network.bin_size(codes)
            self._coded = self.rdoq(self.rounded(codes).w, y, codes)
        return self._coded

    def rdoq(self, w: NDArray[np.int32], y: Tensor, codes: KnobCodes, weight: float = RDOQ_WEIGHT) -> CodedPicture:
        """Return the file of the hyper-latent's symbols `w` and of `y` in units of Δ, rounded by cost."""
        self.passes += 1
        network, (height, width) = self.network, self.image.shape[:2]
        latents, steps = rdoq_latents(w, y, network.conditioned(codes), network.tables, weight)
        return CodedPicture(codes, latents, _file(network, latents, codes, steps, (height, width)))

    def rounded(self, codes: KnobCodes) -> Latents:
        """Return the latents at `codes`, each rounded to the nearest."""
        bin_size = self.network.bin_size(codes)
        z = to_symbols(self.latent(codes) / bin_size)
        return Latents(to_symbols(self.network.hyper_analysis(z, self.image, codes) / bin_size), z)

    def code_latents(self, latents: Latents, codes: KnobCodes) -> CodedPicture:
        """Return the file of given `latents` at `codes`."""
        self.passes += 1
        return CodedPicture(codes, latents, write_stream(self.network, latents, codes, *self.image.shape[:2]))


def write_stream(network: Network, latents: Latents, codes: KnobCodes, height: int, width: int) -> bytes:
    """Return the whole file of a picture's `latents`."""
    steps, _ = run_priors(latents, network.conditioned(codes))
    return _file(network, latents, codes, steps, (height, width))


def _file(network: Network, latents: Latents, codes: KnobCodes, steps: list[CodedStep], size: tuple[int, int]) -> bytes:
    header = Header(network.weights.model_id, codes, latents.checksum(codes), *size)
    return pack(header, write_payload(steps, network.tables))


def read_stream(network: Network, data: bytes) -> tuple[Header, Latents, Tensor]:
    """Return header, latents and the features of w of a file made with the weights of `network`.

    Raises
    ------
    BitstreamError
        When the file is damaged, or not made with these weights.
    """
    header, payload = unpack(data)
    codes = header.codes
    if not network.has(codes):
        raise BitstreamError(f"learned: λ code {codes.lmbda} is out of range")
    size = hyper_size(header.height, header.width)
    count = symbol_count(size, network.config.hyper_channels, network.config.latent_channels)
    if len(payload) < (least := network.tables.least_bytes(count)):
        raise BitstreamError(
            f"learned: damaged, {len(payload)} bytes cannot hold a picture of {header.width}×{header.height} pixels; "
            f"it has {least} at least"
        )
    latents, features = read_payload(payload, size, network.conditioned(codes), network.tables)
    if latents.checksum(codes) != header.latents_crc:
        raise BitstreamError("learned: the checksum of the latents does not hold; other weights made it")
    return header, latents, features


def latent_bits(network: Network, data: bytes) -> tuple[float, float]:
    """Return the bits of w and of z in a file made with the weights of `network`; see :func:`read_stream`."""
    with torch.no_grad():
        header, latents, _ = read_stream(network, data)
        steps, _ = run_priors(latents, network.conditioned(header.codes))
    return estimated_bits(steps[:STEPS], network.tables), estimated_bits(steps[STEPS:], network.tables)


def read_picture(network: Network, data: bytes) -> Image:
    """Return the picture of a file made with the weights of `network`; see :func:`read_stream`."""
    with torch.no_grad():
        header, latents, features = read_stream(network, data)
        return network.synthesis(latents.z, features, header.codes, header.height, header.width)
