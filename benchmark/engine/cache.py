"""A cache of content-addressed files: encodes and metrics by what they depend on, and nothing else.

Encodes, decodes and measurements have keys of their own, each with the identity of what makes it
(:mod:`isorate.codecs.identity`, :mod:`isorate.metrics.identity`): an encode's has the image's pixels and the knobs, or
the size and how near to come where the codec fits a file to a size; a decode's the file; a measurement's the pixels of
both pictures. Entries are plain files with their own checksums; losing or damaging any of them, or putting one in the
place of another, costs time only.
"""

import hashlib
import json
import os
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from isorate.codecs.base import Codec
from isorate.codecs.identity import identity
from isorate.errors import RunError
from isorate.files.atomic import write_bytes, write_json
from isorate.matching.outcome import Match, Policy, Probe
from isorate.metrics.identity import metrics_identity
from isorate.metrics.registry import metric_identity

ENVIRONMENT = "ISORATE_CACHE_DIR"


def cache_dir() -> Path | None:
    """Return the cache folder (``ISORATE_CACHE_DIR``, else the platform's), or None for a user without a home."""
    if chosen := os.environ.get(ENVIRONMENT):
        return Path(chosen).absolute()
    try:
        folder = Path(platformdirs.user_cache_dir("isorate", appauthor=False))
    except RuntimeError:  # no HOME, and a user without an entry in the system's list: a container, some CI runners
        return None
    return folder if folder.is_absolute() else None


@dataclass(frozen=True, slots=True)
class CachedEncode:
    """An encode that was made before: the file and the seconds it took."""

    data: bytes
    encode_s: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of a file as they were decoded before.

    Attributes
    ----------
    file, suffix
        The lossless file with the pixels, and its ending; empty where only its checksum was kept.
    sha256
        Of the samples (shape and RGB bytes).
    decode_s
        Wall-clock seconds of the decode.
    """

    file: bytes
    suffix: str
    sha256: str
    decode_s: float

    @classmethod
    def without_picture(cls, sha256: str, decode_s: float) -> "Decoded":
        """Return what is known of pixels that were not kept."""
        return cls(b"", "", sha256, decode_s)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured between two pictures; the fields are those of :class:`isorate.runs.row.Row`."""

    psnr: float
    ms_ssim: float | None


class Cache:
    """Encodes, decodes and measurements under one folder; a cache that cannot be written is done without.

    Parameters
    ----------
    folder
        The folder, or None for no cache.

    Attributes
    ----------
    computed
        How many results were computed and given to be kept, with a folder or without.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.computed = 0

    def encode_key(self, image_sha256: str, codec: Codec, *knobs: float) -> str:
        """Return the key of `codec`'s encode of the image at `knobs`."""
        return _key("encode", image_sha256, identity(codec).encode, [repr(k) for k in knobs])

    def size_key(self, image_sha256: str, codec: Codec, num_bytes: float, tolerance_pct: float, policy: Policy) -> str:
        """Return the key of the file that `codec` itself makes for a size."""
        return _key("size", image_sha256, identity(codec).encode, repr(num_bytes), repr(tolerance_pct), policy)

    def decode_key(self, codec: Codec, data: bytes) -> str:
        """Return the key of what `codec` decodes the file `data` to."""
        return _key("decode", hashlib.sha256(data).hexdigest(), identity(codec).decode)

    def measure_key(self, image_sha256: str, decoded_sha256: str) -> str:
        """Return the key of what is measured between two pictures."""
        return _key("measure", image_sha256, decoded_sha256, metrics_identity())

    def metric_key(self, image_sha256: str, decoded_sha256: str, name: str) -> str:
        """Return the key of what one further metric measures between two pictures."""
        return _key("metric", image_sha256, decoded_sha256, metric_identity(name))

    def encode(self, key: str) -> CachedEncode | None:
        """Return an earlier encode, or None."""
        meta, data = self._json(key, "encode"), self._bytes(key, "stream")
        if meta is None or data is None or hashlib.sha256(data).hexdigest() != meta["sha256"]:
            return None
        return CachedEncode(data, meta["encode_s"])

    def keep_encode(self, key: str, data: bytes, encode_s: float) -> None:
        """Keep an encode."""
        self.computed += 1
        self._keep(key, "stream", data)
        self._keep(key, "encode", {"sha256": hashlib.sha256(data).hexdigest(), "encode_s": encode_s})

    def match(self, key: str) -> Match | None:
        """Return how an earlier file of :meth:`size_key` was found, or None."""
        meta = self._json(key, "match")
        try:
            return None if meta is None else _match(meta)
        except (KeyError, TypeError):
            return None  # another version wrote it

    def keep_match(self, key: str, found: Match) -> None:
        """Keep how a file of :meth:`size_key` was found."""
        self._keep(key, "match", asdict(found))

    def decoded(self, key: str) -> Decoded | None:
        """Return what a file was decoded to before, or None."""
        meta, file = self._json(key, "decode"), self._bytes(key, "decoded")
        if meta is None or file is None or hashlib.sha256(file).hexdigest() != meta.pop("file_sha256", None):
            return None
        try:
            return Decoded(file, **meta)
        except TypeError:
            return None  # another version wrote it

    def decoded_sha256(self, key: str) -> Decoded | None:
        """Return the checksum of what a file was decoded to before, without its picture, or None."""
        meta = self._json(key, "decode")
        try:
            return None if meta is None else Decoded.without_picture(meta["sha256"], float(meta["decode_s"]))
        except (KeyError, TypeError, ValueError):
            return None  # another version wrote it

    def keep_decoded(self, key: str, decoded: Decoded) -> None:
        """Keep what a file was decoded to."""
        self.computed += 1
        if decoded.file:
            self._keep(key, "decoded", decoded.file)
        about = {"suffix": decoded.suffix, "sha256": decoded.sha256, "decode_s": decoded.decode_s}
        self._keep(key, "decode", {**about, "file_sha256": hashlib.sha256(decoded.file).hexdigest()})

    def measured(self, key: str) -> Measured | None:
        """Return what was measured before, or None."""
        meta = self._json(key, "measured")
        try:
            return None if meta is None else Measured(**{**meta, "psnr": float(meta["psnr"])})
        except (KeyError, TypeError, ValueError):
            return None  # another version wrote it

    def keep_measured(self, key: str, measured: Measured) -> None:
        """Keep what was measured."""
        self.computed += 1
        self._keep(key, "measured", {**asdict(measured), "psnr": repr(measured.psnr)})

    def metric(self, key: str) -> tuple[float | None] | None:
        """Return what a further metric measured before (None where it is not defined), or None."""
        meta = self._json(key, "metric")
        try:
            return None if meta is None else (None if meta["value"] is None else float(meta["value"]),)
        except (KeyError, TypeError, ValueError):
            return None  # another version wrote it

    def keep_metric(self, key: str, value: float | None) -> None:
        """Keep what a further metric measured."""
        self.computed += 1
        self._keep(key, "metric", {"value": None if value is None else repr(value)})

    def _file(self, key: str, kind: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.{kind}"

    def _bytes(self, key: str, kind: str) -> bytes | None:
        file = self._file(key, kind)
        try:
            return file.read_bytes() if file else None
        except OSError:
            return None

    def _json(self, key: str, kind: str) -> dict[str, Any] | None:
        """Return what was kept, or None where it is not there, damaged, or another key's."""
        data = self._bytes(key, kind)
        try:
            found = json.loads(data) if data else None
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        value = found.get("value")
        return value if isinstance(value, dict) and found.get("check") == _check(key, kind, value) else None

    def _keep(self, key: str, kind: str, value: Any) -> None:
        file = self._file(key, kind)
        if file is None:
            return
        try:
            if isinstance(value, bytes):
                write_bytes(file, value, durable=False)
            else:
                write_json(file, {"check": _check(key, kind, value), "value": value}, durable=False)
        except RunError as error:
            # a full or read-only cache must not fail a run: its results go to the run folder
            warnings.warn(f"going on without the cache: {error}", stacklevel=2)
            self.folder = None


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _check(key: str, kind: str, value: object) -> str:
    return _key(key, kind, json.dumps(value, sort_keys=True))


def _match(meta: dict[str, Any]) -> Match:
    probes = {"best": Probe(**meta["best"]), "trace": tuple(Probe(**probe) for probe in meta["trace"])}
    return Match(**{**meta, **probes})
