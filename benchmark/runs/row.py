"""The schema of a result row: written once, here; the store, the table, the page and the check derive from it."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from isorate.codecs.base import Option
from isorate.errors import RunError
from isorate.files.typed import mismatch

ANCHOR = "anchor"
MATCHED = "matched"
OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One codec on one image at one operating point of the anchor.

    Every number comes from the real file and from the pixels decoded from it.

    Attributes
    ----------
    image
        The image's name in its data set (``kodim02``).
    width, height
        Pixels.
    image_sha256
        SHA-256 of the source's decoded samples (shape and RGB bytes).
    codec, label, backend, options
        Who made the bits: registry name, reader's name, program or library with its version, and every option.
    role
        ``anchor`` (its file set the rate) or ``matched`` (driven to that rate).
    point
        The anchor's operating point, as a name that is unique in the run (``bpg-qp37``, ``jpeg-bpp0.2``).
    knob_name, knob
        The rate knob and the value that was chosen.
    lmbda, bin_size
        λ and Δ, for codecs that have them.
    target_bpp
        The rate that was asked for: the anchor's on this image, or the bpp target of the point.
    num_bytes, header_bytes
        Size of the whole file, and how much of it carries no picture data (None where the format does not tell).
    bpp
        Bits per pixel: ``8 * num_bytes / (width * height)``, header included.
    residual_pct
        ``100 * (bpp / target_bpp - 1)``; 0 for an anchor at a knob value.
    note
        What a reader must know of the match: ``unreachable: …``, ``outside tolerance``, sizes that are not monotone.
    psnr
        dB, over all samples of the 8-bit RGB image; ``inf`` when the images are identical.
    ms_ssim
        0..1, RGB, data range 255; None where it is not defined (a side of 160 pixels or less).
    encode_s, decode_s
        Wall-clock seconds of the chosen encode and of its decode; a cached result keeps the first run's.
    probes
        How many encodes the match took.
    trace
        The probes in order: ``[knob, bytes]``, or ``[knob, fine knob, bytes]``.
    status
        ``ok`` or ``failed: reason``.
    stream, decoded
        Paths relative to the run folder, with forward slashes: the file, and its pixels as lossless WebP or PNG.
    stream_sha256, decoded_sha256
        SHA-256 of the file, and of the decoded samples (shape and RGB bytes).
    """

    image: str
    width: int
    height: int
    image_sha256: str
    codec: str
    label: str
    backend: str = ""
    options: dict[str, Option] = field(default_factory=dict)
    role: str = MATCHED
    point: str
    knob_name: str = ""
    knob: float | None = None
    lmbda: float | None = None
    bin_size: float | None = None
    target_bpp: float | None = None
    num_bytes: int | None = None
    header_bytes: int | None = None
    bpp: float | None = None
    residual_pct: float | None = None
    note: str = ""
    psnr: float | None = None
    ms_ssim: float | None = None
    encode_s: float | None = None
    decode_s: float | None = None
    probes: int = 0
    trace: list[list[float]] = field(default_factory=list)
    status: str = OK
    stream: str = ""
    decoded: str = ""
    stream_sha256: str = ""
    decoded_sha256: str = ""

    @property
    def ok(self) -> bool:
        """Whether the cell succeeded."""
        return self.status == OK

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON types; an infinite PSNR becomes the string ``"inf"``, which strict JSON can hold."""
        out: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.psnr is not None and math.isinf(self.psnr):
            out["psnr"] = "inf"
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any], where: str = "row") -> "Row":
        """Return the row that :meth:`to_json` wrote.

        Raises
        ------
        RunError
            When a field is missing, unknown or of another type; `where` names the file.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise RunError(f"{where}: unknown fields {unknown}; it was written by another version of isorate")
        if data.get("psnr") == "inf":
            data = {**data, "psnr": math.inf}
        if wrong := mismatch(data, cls, where):
            raise RunError(f"{wrong}; delete the file and run the same command again")
        try:
            return cls(**data)
        except TypeError as error:
            raise RunError(f"{where}: {error}; it was written by another version of isorate") from None
