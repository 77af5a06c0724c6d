"""The conformance kit: every built-in codec passes it, and each kind of broken codec fails the right check."""

import importlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isorate.codecs import registry
from isorate.codecs.base import Codec, Knob, Option
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.registry import CodecSpec
from isorate.errors import CodecError, CodecUnavailableError
from isorate.image import Image
from isorate.matching.outcome import Match, Policy
from isorate.testing import ConformanceError, _Kit, check_codec

OTHERS = ["jpeg:mode=integer,chroma=444", "bpg:backend=embedded,chroma=420", "jpeg2000:container=jp2"]


def test_every_check_is_made_and_counted(monkeypatch: pytest.MonkeyPatch, photo: Image) -> None:
    """A codec that fails everywhere: each check must say so."""
    codec = Jpeg()
    for name in _Kit(codec, photo).checks():
        monkeypatch.setattr(_Kit, name.replace(" ", "_").replace("encode_to_size", "to_size"), _fail)
    with pytest.raises(ConformanceError, match="breaks 12 of 12 checks"):
        check_codec(codec, photo)


def _fail(kit: _Kit) -> None:
    raise RuntimeError("broken")


WITH_FAST_SETTINGS = {"overfitted", "avif", "webp", "svtav1", "av1", "vvc", "heif", "jxl"}
"""Their usual settings take seconds to minutes a file, and the kit makes dozens: tests/codecs/test_field.py and
tests/codecs/overfitted run it with faster ones."""
OF_SIX_PICTURES = {"overfitted-shipped"}
"""Encodes nothing else: tests/codecs/overfitted/test_shipped.py."""


USUAL = [name for name in registry.BUILT_IN if name not in WITH_FAST_SETTINGS | OF_SIX_PICTURES]


@pytest.mark.slow
@pytest.mark.parametrize("text", [*USUAL, *OTHERS])
def test_every_built_in_codec_conforms(text: str) -> None:
    try:
        codec = CodecSpec.parse(text).create()
        check_codec(codec)
    except CodecUnavailableError as error:
        pytest.skip(str(error))


class Other(Jpeg):
    """JPEG with one method replaced: what a check must see."""

    name = "other"


class Counting(Other):
    counter = itertools.count()

    def encode(self, image: Image, knob: float) -> bytes:
        return super().encode(image, knob) + bytes([next(self.counter) % 256])


class Boasting(Other):
    """Says another size than its file has."""

    def encode_to_size(
        self,
        image: Image,
        num_bytes: float,
        *,
        tolerance_pct: float = 0.5,
        policy: Policy = Policy.NEAREST,
        encode: Callable[..., bytes] | None = None,
    ) -> tuple[bytes, Match]:
        data, found = super().encode_to_size(image, num_bytes, tolerance_pct=tolerance_pct, policy=policy)
        return data + b"more", found


class Writing(Other):
    def encode(self, image: Image, knob: float) -> bytes:
        image[0, 0] = 0
        return super().encode(image, knob)


class Backwards(Other):
    @property
    def knob(self) -> Knob:
        return Knob("quality", 1, 100, integer=False, rising=False)


class Careless(Other):
    def decode(self, data: bytes) -> Image:
        try:
            return super().decode(data)
        except CodecError as error:
            raise ValueError(str(error)) from None


class Even(Other):
    """Crops to even sides."""

    def encode(self, image: Image, knob: float) -> bytes:
        return super().encode(image[: max(image.shape[0] // 2 * 2, 1), : max(image.shape[1] // 2 * 2, 1)], knob)


class Nameless(Other):
    backend = "libjpeg"
    suffix = "jpg"


class Greyish(Other):
    def decode(self, data: bytes) -> Image:
        return np.full_like(super().decode(data), 128)


class Listing(Other):
    @property
    def options(self) -> dict[str, Option]:
        return {"tables": [1, 2]}  # type: ignore[dict-item]  # what the check must see


class Local(Other):
    def __init__(self) -> None:
        super().__init__()
        self.helper = lambda: None


class Outside(Other):
    @property
    def knob(self) -> Knob:
        return Knob("quality", 1, 100, integer=False, rising=True, default=500, typical=((50, 1.0), (10, 2.0)))


class Fussy(Other):
    def encode(self, image: Image, knob: float) -> bytes:
        if min(image.shape[:2]) < 100:
            raise CodecError("too small for me")
        return super().encode(image, knob)


@pytest.mark.parametrize(("codec", "check"), [
    (Counting, "determinism"),
    (Writing, "input untouched"),
    (Backwards, "knob direction"),
    (Careless, "bad input"),
    (Even, "sizes"),
    (Nameless, "names"),
    (Greyish, "round trip"),
    (Listing, "options"),
    (Local, "pickling"),
    (Outside, "knob"),
    (Fussy, "sizes"),
    (Boasting, "encode to size"),
])  # fmt: skip
def test_a_broken_codec_fails_the_check_that_is_about_it(
    codec: type[Codec], check: str, photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a process for each would take a minute
    monkeypatch.setattr("isorate.testing._Kit.fresh_process", lambda self: None)
    before = photo.copy()
    with pytest.raises(ConformanceError) as error:
        check_codec(codec(), photo)
    assert f"\n  {check}: " in str(error.value)
    assert np.array_equal(photo, before)


REMEMBERING = """
from isorate.codecs.jpeg import Jpeg

class Remembering(Jpeg):
    name = "remembering"
    seen = {}

    def encode(self, image, knob):
        data = super().encode(image, knob)
        self.seen[data] = image
        return data

    def decode(self, data):
        return self.seen.get(data, super().decode(data))
"""


def test_a_decoder_that_knows_more_than_the_bytes_is_caught_in_a_fresh_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photo: Image
) -> None:
    (tmp_path / "remembering_codec.py").write_text(REMEMBERING)
    monkeypatch.syspath_prepend(tmp_path)
    remembering = importlib.import_module("remembering_codec").Remembering

    with pytest.raises(ConformanceError, match="depends on more than the bytes"):
        check_codec(remembering(), photo)


class Absent(Codec):
    name, label, suffix = "absent", "Absent", ".abs"
    knob = Knob("q", 1, 2, integer=True, rising=True)
    options = {}  # noqa: RUF012

    @property
    def backend(self) -> str:
        raise CodecUnavailableError("absent: pip install absent")

    def encode(self, image: Image, knob: float) -> bytes:
        raise NotImplementedError

    def decode(self, data: bytes) -> Image:
        raise NotImplementedError


def test_a_codec_that_cannot_run_is_not_called_broken() -> None:
    with pytest.raises(CodecUnavailableError, match="pip install absent"):
        check_codec(Absent())
