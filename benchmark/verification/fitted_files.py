"""The overfitted codec's files of the supplementary's six photographs: decoded in seconds, beside BPG and the paper."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from isorate.codecs.overfitted import OverfittedCodec
from isorate.codecs.overfitted.shipped.files import ShippedFile, shipped_files
from isorate.datasets.base import Dataset
from isorate.metrics import bpp, ms_ssim, psnr
from isorate.verification.supplementary import PaperRow, learned_rows, paper_rows, sources_of

PSNR_TOLERANCE, MS_SSIM_TOLERANCE = 0.01, 1e-4
"""A machine may round a sample of the picture to the neighbouring level; latents are exact."""


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A shipped file decoded and measured here.

    Attributes
    ----------
    file
        What was recorded.
    ours
        (bpp, PSNR in dB, MS-SSIM) of today.
    bpg, paper
        The supplementary's rows: BPG 4:4:4, the paper's own model.
    decode_s
        Seconds.
    """

    file: ShippedFile
    ours: tuple[float, float, float]
    bpg: PaperRow
    paper: PaperRow
    decode_s: float

    @property
    def ok(self) -> bool:
        """Whether quality is what was recorded."""
        _, quality, similarity = self.ours
        return (
            abs(quality - self.file.psnr) <= PSNR_TOLERANCE and abs(similarity - self.file.ms_ssim) <= MS_SSIM_TOLERANCE
        )


def verify_fitted(dataset: Dataset) -> Iterator[VerifiedFile]:
    """Decode the six files and measure them against the photographs.

    Raises
    ------
    DatasetError
        When `dataset` lacks one of the photographs.
    CodecError
        When a file is not the shipped one.
    """
    shipped = shipped_files()
    sources = sources_of(dataset, [file.image for file in shipped])
    bpg = {row.image: row for row in paper_rows() if row.codec == "bpg444"}
    paper = {row.image: row for row in learned_rows()}
    codec = OverfittedCodec()
    for file, source in zip(shipped, sources, strict=True):
        data = file.read()
        started = time.perf_counter()
        decoded = codec.decode(data)
        seconds = time.perf_counter() - started
        image = source.load().pixels
        similarity = ms_ssim(image, decoded)
        assert similarity is not None
        ours = bpp(len(data), image), psnr(image, decoded), similarity
        yield VerifiedFile(file, ours, bpg[file.image], paper[file.image], seconds)
