"""A cache of content-addressed files: encodes and metrics by what they depend on, and nothing else.

A key is the SHA-256 of the image's pixels, the codec, its back end with version, its options, and the knobs (of an
encode), the size and how near to come (of a file that the codec fits to a size), or the file (of what is measured on
it). Entries are plain files; deleting any of them, or the folder, costs time only.
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
from isorate.errors import RunError
from isorate.files.atomic import write_bytes, write_json
from isorate.matching.outcome import Match, Policy, Probe

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
class Measured:
    """What was measured on a file's decoded pixels; the fields are those of :class:`isorate.runs.row.Row`.

    Attributes
    ----------
    suffix
        Of the lossless file with the pixels.
    """

    psnr: float
    ms_ssim: float | None
    decode_s: float
    decoded_sha256: str
    suffix: str


class Cache:
    """Encodes and measurements under one folder; a cache that cannot be written is done without.

    Parameters
    ----------
    folder
        The folder, or None for no cache.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def key(self, image_sha256: str, codec: Codec, *knobs: float) -> str:
        """Return the key of `codec`'s encode of the image at `knobs`."""
        parts = [*self._codec_parts(image_sha256, codec), [repr(k) for k in knobs]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def size_key(self, image_sha256: str, codec: Codec, num_bytes: float, tolerance_pct: float, policy: Policy) -> str:
        """Return the key of the file that `codec` itself makes for a size."""
        parts = [*self._codec_parts(image_sha256, codec), "size", repr(num_bytes), repr(tolerance_pct), policy]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def file_key(self, image_sha256: str, codec: Codec, data: bytes) -> str:
        """Return the key of what is measured on the file `data`."""
        parts = [*self._codec_parts(image_sha256, codec), "file", hashlib.sha256(data).hexdigest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @staticmethod
    def _codec_parts(image_sha256: str, codec: Codec) -> list[Any]:
        return [image_sha256, codec.name, codec.backend, sorted(codec.options.items())]

    def encode(self, key: str) -> CachedEncode | None:
        """Return an earlier encode, or None."""
        meta, data = self._json(key, "encode"), self._bytes(key, "stream")
        if meta is None or data is None or hashlib.sha256(data).hexdigest() != meta["sha256"]:
            return None
        return CachedEncode(data, meta["encode_s"])

    def keep_encode(self, key: str, data: bytes, encode_s: float) -> None:
        """Keep an encode."""
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

    def measured(self, key: str) -> tuple[Measured, bytes] | None:
        """Return earlier measurements of the file of :meth:`file_key` and its pixels as a lossless file, or None."""
        meta, data = self._json(key, "measured"), self._bytes(key, "decoded")
        if meta is None or data is None or hashlib.sha256(data).hexdigest() != meta.pop("file_sha256", None):
            return None
        try:
            return Measured(**{**meta, "psnr": float(meta["psnr"])}), data
        except (KeyError, TypeError):
            return None  # another version wrote it

    def keep_measured(self, key: str, measured: Measured, decoded: bytes) -> None:
        """Keep measurements and the decoded pixels."""
        meta = {**asdict(measured), "psnr": repr(measured.psnr), "file_sha256": hashlib.sha256(decoded).hexdigest()}
        self._keep(key, "decoded", decoded)
        self._keep(key, "measured", meta)

    def _file(self, key: str, kind: str) -> Path | None:
        return None if self.folder is None else self.folder / key[:2] / f"{key}.{kind}"

    def _bytes(self, key: str, kind: str) -> bytes | None:
        file = self._file(key, kind)
        try:
            return file.read_bytes() if file else None
        except OSError:
            return None

    def _json(self, key: str, kind: str) -> dict[str, Any] | None:
        data = self._bytes(key, kind)
        try:
            found = json.loads(data) if data else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _keep(self, key: str, kind: str, value: Any) -> None:
        file = self._file(key, kind)
        if file is None:
            return
        try:
            if isinstance(value, bytes):
                write_bytes(file, value, durable=False)
            else:
                write_json(file, value, durable=False)
        except RunError as error:
            # a full or read-only cache must not fail a run: its results go to the run folder
            warnings.warn(f"going on without the cache: {error}", stacklevel=2)
            self.folder = None


def _match(meta: dict[str, Any]) -> Match:
    probes = {"best": Probe(**meta["best"]), "trace": tuple(Probe(**probe) for probe in meta["trace"])}
    return Match(**{**meta, **probes})
