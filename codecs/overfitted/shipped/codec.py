"""The shipped files as a column of a comparison: nothing is fitted, and the column says so."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from isorate.codecs.base import Codec, Knob
from isorate.codecs.overfitted.codec import DEFAULT_BPP, OverfittedCodec
from isorate.codecs.overfitted.shipped.files import shipped_files
from isorate.errors import CodecError
from isorate.image import Image, pixels_sha256
from isorate.matching.outcome import Files, Match, Policy, Probe


@dataclass(frozen=True)
class ShippedOverfitted(Codec):
    """The overfitted codec's files that come with isorate, in the place of a fit of minutes.

    There is one file for each photograph of the paper's supplementary, at BPG's rate. Other pictures are refused; at
    another size the row's residual says how far the file is off. Seconds of encoding are those of looking it up.
    """

    name = "overfitted-shipped"
    label = "Overfitted (shipped files)"
    suffix = ".ofi"

    @property
    def knob(self) -> Knob:
        """The overfitted codec's; it changes nothing here."""
        return OverfittedCodec().knob

    @property
    def backend(self) -> str:
        """The overfitted codec's, which decodes; the files were fitted elsewhere."""
        return f"{OverfittedCodec().backend}; files fitted elsewhere, shipped with isorate"

    def encode(self, image: Image, knob: float) -> bytes:
        """Return the shipped file of `image`, (height, width, 3), uint8, sRGB.

        Raises
        ------
        CodecError
            When no file of this picture came with isorate.
        """
        wanted = pixels_sha256(image)
        for file in shipped_files():
            if file.pixels_sha256 == wanted:
                return file.read()
        there = ", ".join(file.image for file in shipped_files())
        raise CodecError(f"{self.name}: files came for {there}; fit other pictures with --codec overfitted")

    def decode(self, data: bytes) -> Image:
        """Return the picture, (height, width, 3) uint8, that the bytes alone describe.

        Raises
        ------
        BitstreamError
            When `data` is damaged, truncated or of another format.
        """
        return OverfittedCodec().decode(data)

    def encode_to_size(
        self,
        image: Image,
        num_bytes: float,
        *,
        tolerance_pct: float = 0.5,
        policy: Policy = Policy.NEAREST,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, Match]:
        """See :meth:`Codec.encode_to_size`: there is one file, of whatever size."""
        files, knob = Files(encode or self.encode, image), DEFAULT_BPP
        probe = Probe(knob, files.size(knob))
        found = Match(num_bytes, probe, (probe,))
        found = replace(found, unreachable=not found.within(tolerance_pct, policy))
        if policy is Policy.STRICT:
            found.require_within(tolerance_pct, self.knob.name, knob)
        return files[probe.knobs], found

    def header_bytes(self, data: bytes) -> int | None:
        """Return the bytes of header and checksum."""
        return OverfittedCodec().header_bytes(data)

    def bits_by_part(self, data: bytes) -> dict[str, float] | None:
        """Return the bits of header, nets and each grid."""
        return OverfittedCodec().bits_by_part(data)
