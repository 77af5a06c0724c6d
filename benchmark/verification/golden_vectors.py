"""Decoding golden vectors: streams whose pixels are known from another implementation."""

import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from isorate.codecs.registry import CodecSpec
from isorate.errors import IsorateError


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """A stream and what it decodes to.

    Attributes
    ----------
    codec
        The spec of the codec that decodes it.
    file
        Its name beside ``golden.toml``.
    made_by
        Who wrote it.
    shape, rgb_sha256
        Of the samples: height, width, 3.
    """

    codec: str
    file: str
    made_by: str
    shape: tuple[int, ...]
    rgb_sha256: str

    @property
    def data(self) -> bytes:
        """The stream."""
        return files("isorate.verification").joinpath("golden", self.file).read_bytes()


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """A golden vector and what came out: nothing where it is right."""

    vector: GoldenVector
    backend: str
    wrong: str

    @property
    def ok(self) -> bool:
        """Whether the pixels are the known ones."""
        return not self.wrong


def golden_vectors() -> list[GoldenVector]:
    """Return every golden vector of the package."""
    text = files("isorate.verification").joinpath("golden", "golden.toml").read_text(encoding="utf-8")
    return [GoldenVector(**{**entry, "shape": tuple(entry["shape"])}) for entry in tomllib.loads(text)["golden"]]


def verify_golden() -> Iterator[GoldenResult]:
    """Decode every golden vector by its codec."""
    for vector in golden_vectors():
        backend = ""
        try:
            codec = CodecSpec.parse(vector.codec).create()
            backend = codec.backend
            decoded = codec.decode(vector.data)
        except IsorateError as error:
            yield GoldenResult(vector, backend, str(error))
            continue
        digest = hashlib.sha256(np.ascontiguousarray(decoded).tobytes()).hexdigest()
        if decoded.shape != vector.shape:
            yield GoldenResult(vector, backend, f"decodes to the shape {decoded.shape}, {vector.shape} is right")
        elif digest != vector.rgb_sha256:
            yield GoldenResult(vector, backend, "decodes to other samples")
        else:
            yield GoldenResult(vector, backend, "")
