"""The schema of a result row: written once, here; the store, the table, the page and the check derive from it."""

import json
import math
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from msgspec import Meta

from isorate.codecs.base import Option
from isorate.errors import RunError
from isorate.files import typed_json
from isorate.files.numbers import LARGEST_NUMBER, Amount, Finite
from isorate.runs.contradictions import contradiction

Role: TypeAlias = Literal["anchor", "matched"]
ANCHOR: Role = "anchor"
MATCHED: Role = "matched"
OK = "ok"

Key: TypeAlias = tuple[str, str, str]
"""A row's place in its run: image, operating point, codec."""

REMEDY = "it is damaged or of another version of isorate: delete it and run the same command again"

Side: TypeAlias = Annotated[int, Meta(ge=0, le=2**31)]
"""Pixels; 0 where the picture could not be read."""
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Decibels: TypeAlias = Annotated[float, Meta(ge=0, le=1000)]
Similarity: TypeAlias = Annotated[float, Meta(ge=-1.001, le=1.001)]
_Probe: TypeAlias = Annotated[list[float], Meta(min_length=2, max_length=3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A codec's next file on the other side of the rate or quality that was asked for, where its own misses that.

    Attributes
    ----------
    knob, fine
        The values of the rate knob, and of the fine one for codecs that have it.
    num_bytes
        Size of the whole file.
    psnr, ms_ssim, metrics
        What was measured on its pixels, as in :class:`Row`.
    stream, decoded, stream_sha256, decoded_sha256
        Its file and pixels, as in :class:`Row`.
    """

    knob: float
    fine: float | None = None
    num_bytes: Annotated[int, Meta(ge=1, le=2**53)]
    psnr: Decibels | None = None
    ms_ssim: Similarity | None = None
    metrics: dict[str, Finite | None] = field(default_factory=dict)
    stream: str
    decoded: str = ""
    stream_sha256: str
    decoded_sha256: str

    def value(self, metric: str) -> float | None:
        """Return what ``psnr``, ``ms_ssim`` or one of ``metrics`` measured; None where it is not there."""
        return _value(self, metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtQuality:
    """How a file that was driven to a quality meets it.

    Attributes
    ----------
    metric
        Of the quality: ``psnr``, ``ms_ssim`` or one of the further metrics.
    target
        The value that was asked for: the anchor's on this image, or that of the point.
    gap
        By how much the file's quality is above the target, on the scale of the metric's curves
        (:func:`isorate.metrics.base.quality`); None where it is infinite.
    trace
        What each of the row's probes measured; None where that is infinite.
    equal
        ``bpp``, ``psnr``, ``ms_ssim`` and the further metrics where the quality is the target, interpolated between the
        file and the row's neighbour (``isorate.runs.equal_quality``); empty without one.
    """

    metric: str
    target: Finite
    gap: Finite | None
    trace: list[Finite | None] = field(default_factory=list)
    equal: dict[str, Finite | None] = field(default_factory=dict)


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
        ``anchor`` (its file set the rate or quality) or ``matched`` (driven to it).
    point
        The anchor's operating point, as a name that is unique in the run (``bpg-qp37``, ``jpeg-bpp0.2``).
    knob_name, knob
        The rate knob and the value that was chosen.
    lmbda, bin_size
        λ and Δ, for codecs that have them.
    target_bpp
        The rate that was asked for: the anchor's on this image, or the bpp target of the point. None where a quality
        was asked for, see `quality`.
    num_bytes, header_bytes
        Size of the whole file, and how much of it carries no picture data (None where the format does not tell).
    bpp
        Bits per pixel: ``8 * num_bytes / (width * height)``, header included.
    residual_pct
        ``100 * (bpp / target_bpp - 1)``; 0 for an anchor at a knob value, None where a quality was asked for.
    note
        What a reader must know of the match: ``unreachable: …``, ``outside tolerance``, sizes that are not monotone.
    psnr
        dB, over all samples of the 8-bit RGB image; ``inf`` when the images are identical.
    ms_ssim
        0..1, RGB, data range 255; None where it is not defined (a side of 160 pixels or less).
    metrics
        Further metrics of the run by name (:mod:`isorate.metrics.registry`); None where one is not defined.
    encode_s, decode_s
        Wall-clock seconds of the chosen encode and of its decode; a cached result keeps the first run's.
    probes
        How many encodes the match took.
    trace
        The probes in order: ``[knob, bytes]``, or ``[knob, fine knob, bytes]``.
    status
        ``ok`` or ``failed: reason``.
    stream, decoded
        Paths relative to the run folder, with forward slashes: the file, and its pixels as lossless WebP or PNG (empty
        at a point whose pictures the run does not keep).
    stream_sha256, decoded_sha256
        SHA-256 of the file, and of the decoded samples (shape and RGB bytes).
    neighbour
        The file on the other side of the rate, for a row outside the tolerance; None in others, where the codec made
        none there, and in rows of older versions.
    equal_rate
        ``psnr``, ``ms_ssim`` and the further metrics at `target_bpp`, interpolated between this file and `neighbour`
        (``isorate.runs.equal_rate``); empty without one.
    quality
        How the file meets a quality, for a row that was driven to one; None in others.
    """

    image: str
    width: Side
    height: Side
    image_sha256: str
    codec: str
    label: str
    backend: str = ""
    options: dict[str, Option] = field(default_factory=dict)
    role: Role = MATCHED
    point: str
    knob_name: str = ""
    knob: float | None = None
    lmbda: float | None = None
    bin_size: float | None = None
    target_bpp: Amount | None = None
    num_bytes: _Count | None = None
    header_bytes: _Count | None = None
    bpp: Amount | None = None
    residual_pct: Annotated[float, Meta(ge=-100, le=LARGEST_NUMBER)] | None = None
    note: str = ""
    psnr: Decibels | None = None
    ms_ssim: Similarity | None = None
    metrics: dict[str, Finite | None] = field(default_factory=dict)
    encode_s: Amount | None = None
    decode_s: Amount | None = None
    probes: _Count = 0
    trace: list[_Probe] = field(default_factory=list)
    status: str = OK
    stream: str = ""
    decoded: str = ""
    stream_sha256: str = ""
    decoded_sha256: str = ""
    neighbour: Neighbour | None = None
    equal_rate: dict[str, Finite | None] = field(default_factory=dict)
    quality: AtQuality | None = None

    @property
    def key(self) -> Key:
        """The row's place in its run."""
        return self.image, self.point, self.codec

    @property
    def ok(self) -> bool:
        """Whether the cell succeeded."""
        return self.status == OK

    @property
    def complete(self) -> bool:
        """Whether the cell succeeded and the row has the numbers that every such row has."""
        return self.ok and bool(self.num_bytes and self.width and self.height) and self.psnr is not None

    def value(self, metric: str) -> float | None:
        """Return what ``psnr``, ``ms_ssim`` or one of ``metrics`` measured; None where it is not there."""
        return _value(self, metric)

    @property
    def equal(self) -> dict[str, float | None]:
        """What is interpolated at the rate, or at the quality, that the file misses; empty where it is not."""
        return self.quality.equal if self.quality else self.equal_rate

    @property
    def residual(self) -> float:
        """How far the file is from what was asked for: percent of the rate, or the quality's gap."""
        if self.quality is None:
            return self.residual_pct or 0.0
        return math.inf if self.quality.gap is None else self.quality.gap

    def compared(self, metric: str) -> float | None:
        """Return the value that counts at equal rate or quality: the interpolated one, else the measured.

        Of ``bpp`` as well, which is the rate that was asked for where values at it are interpolated.
        """
        if metric == "bpp" and self.equal_rate:
            return self.target_bpp
        found = self.equal.get(metric)
        return (self.bpp if metric == "bpp" else self.value(metric)) if found is None else found

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON types; an infinite value becomes the string ``"inf"``, which strict JSON can hold."""
        out: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        if self.quality is None:
            del out["quality"]
        else:
            out["quality"] = {f.name: getattr(self.quality, f.name) for f in fields(self.quality)}
        if self.neighbour is not None:
            beside = self.neighbour
            out["neighbour"] = {**{f.name: getattr(beside, f.name) for f in fields(beside)}, **_spelled_values(beside)}
        return {**out, **_spelled_values(self)}

    def problem(self) -> str:
        """Return why the row, once written, would not be read as it is: what a codec or metric said; else nothing."""
        try:
            text = json.dumps(self.to_json(), ensure_ascii=False).encode()
            return "" if _read(typed_json.parse(text)) == self else "it would be read as another one"
        except (TypeError, ValueError) as error:
            return str(error)

    @classmethod
    def from_json(cls, data: Any, where: str = "row") -> "Row":
        """Return the row that :meth:`to_json` wrote.

        Raises
        ------
        RunError
            When a field is missing, unknown, of another type, out of bounds or contradicts another; `where` names the
            file.
        """
        try:
            return _read(data)
        except ValueError as error:
            raise RunError(f"{where}: {error}; {REMEDY}") from None

    @classmethod
    def parse(cls, text: bytes, where: str) -> "Row":
        """Return the row of a file's text; see :meth:`from_json`."""
        try:
            data = typed_json.parse(text)
        except ValueError as error:
            raise RunError(f"{where}: cannot be read: {error}; {REMEDY}") from None
        return cls.from_json(data, where)


def _read(data: Any) -> Row:
    plain, infinite = _finite(data)
    beside, infinite_beside = _finite(data.get("neighbour") if isinstance(data, dict) else None)
    if infinite_beside:
        plain = {**plain, "neighbour": beside}
    row = typed_json.fit(plain, Row)
    if row.neighbour is not None and infinite_beside:
        row = replace(row, neighbour=_with_infinite(row.neighbour, infinite_beside))
    row = _with_infinite(row, infinite)
    if problem := contradiction(row):
        raise ValueError(f"it contradicts itself: {problem}")
    return row


_Item = TypeVar("_Item", Row, Neighbour)


def _value(item: Row | Neighbour, metric: str) -> float | None:
    if metric in ("psnr", "ms_ssim"):
        found: float | None = getattr(item, metric)
        return found
    return item.metrics.get(metric)


def _spelled_values(item: Row | Neighbour) -> dict[str, Any]:
    return {
        "psnr": _spelled(item.psnr),
        "metrics": {name: _spelled(value) for name, value in item.metrics.items()},
    }


def _spelled(value: float | None) -> float | str | None:
    return "inf" if value is not None and math.isinf(value) else value


def _finite(data: Any) -> tuple[Any, list[str]]:
    """Return a row's or a neighbour's JSON without its infinite values, and the names of the metrics that had one."""
    if not isinstance(data, dict):
        return data, []
    more = data.get("metrics")
    infinite = [name for name, value in more.items() if value == "inf"] if isinstance(more, dict) else []
    if infinite:
        data = {**data, "metrics": {**data["metrics"], **dict.fromkeys(infinite)}}
    return ({**data, "psnr": None}, ["psnr", *infinite]) if data.get("psnr") == "inf" else (data, infinite)


def _with_infinite(item: _Item, infinite: list[str]) -> _Item:
    if not infinite:
        return item
    more = {name: math.inf for name in infinite if name != "psnr"}
    psnr = math.inf if "psnr" in infinite else item.psnr
    return replace(item, psnr=psnr, metrics={**item.metrics, **more})
