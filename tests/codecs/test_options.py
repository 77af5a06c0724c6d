"""Options of every codec: read, checked, compared and told in one way."""

import pickle
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from isorate import api
from isorate.codecs.base import Codec, Knob, Option, option
from isorate.codecs.bpg import Bpg
from isorate.codecs.compressai import CompressAI
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.options import arguments
from isorate.codecs.registry import CodecSpec
from isorate.errors import UsageError
from isorate.gate.accept import write_baseline
from isorate.gate.baseline import Baseline
from isorate.image import Image
from isorate.reports import tables
from isorate.testing import _Kit


class Plain(Codec):
    """A codec in the long form."""

    name, label, suffix = "plain", "Plain", ".plain"
    knob = Knob("quality", 1, 100, integer=True, rising=True)
    backend = "plain 1"

    def __init__(self, chroma: str = "420", level: int = 3, strength: float = 1, threads: int = 0) -> None:
        self.chroma, self.level, self.strength, self.threads = chroma, level, strength, threads

    @property
    def options(self) -> dict[str, Option]:
        return {"chroma": self.chroma, "level": self.level, "strength": self.strength}

    def encode(self, image: Image, knob: float) -> bytes:
        raise NotImplementedError

    def decode(self, data: bytes) -> Image:
        raise NotImplementedError


@dataclass(frozen=True)
class Short(Plain):
    """The same in the short form."""

    name = "short"
    options = Codec.options
    chroma: Literal["420", "444"] = "420"
    level: int | None = 3  # type: ignore[assignment]
    strength: float = 1
    threads: int = option(0, changes_bits=False)
    fact: bool = field(default=True, init=False)
    memo: list[int] = field(default_factory=list, compare=False, init=False)


@pytest.mark.parametrize("make", [Jpeg, Jpeg2000, Bpg, LearnedCodec, CompressAI, Plain, Short])
def test_codecs_of_equal_options_are_equal(make: Callable[[], Codec]) -> None:
    assert make() == make()
    assert hash(make()) == hash(make())
    assert pickle.loads(pickle.dumps(make())) == make()


@pytest.mark.parametrize(("one", "other"), [
    (Jpeg(), Jpeg(chroma="444")), (Jpeg(), Jpeg2000()), (Bpg("embedded"), Bpg()), (Plain(), Plain(level=4)),
    (LearnedCodec(), LearnedCodec(effort=1)),
])  # fmt: skip
def test_codecs_of_other_options_are_not(one: Codec, other: Codec) -> None:
    assert one != other
    assert len({one, other}) == 2


def test_an_option_cannot_be_changed_later() -> None:
    with pytest.raises(AttributeError):
        Jpeg().chroma = "444"  # type: ignore[misc]


def test_only_what_changes_the_bits_stands_in_the_rows() -> None:
    short = Short(level="7", threads=2)  # type: ignore[arg-type]
    assert short.options == {"chroma": "420", "level": 7, "strength": 1.0, "fact": True}
    assert LearnedCodec(threads=3).options == {"model": "best", "effort": 0, "objective": "mse"}
    assert Bpg("embedded").options == {"encoder": "x265", "chroma": "444", "bit_depth": 8, "level": 8}
    assert Jpeg2000().options == {"container": "j2k", "wavelet": "9/7", "mct": True, "chroma": "444"}


@pytest.mark.parametrize(("spec", "said"), [
    ("jpeg:mode=exact", "codec jpeg: mode='exact' cannot be used; allowed: continuous, integer"),
    ("jpeg:optimize=maybe", "codec jpeg: optimize='maybe' cannot be used; allowed: true, false"),
    ("jpeg:chroma=422", "codec jpeg: chroma='422' cannot be used; allowed: 420, 444"),
    ("jpeg2000:wavelet=haar", "codec jpeg2000: wavelet='haar' cannot be used; allowed: 9/7, 5/3"),
    ("bpg:level=0", "codec bpg: level='0' cannot be used; allowed: 1, 2, 3, 4, 5, 6, 7, 8, 9"),
    ("bpg:backend=ffmpeg", "codec bpg: backend='ffmpeg' cannot be used; allowed: auto, embedded, bpgenc"),
    ("bpg:bit_depth=9", "codec bpg: bit_depth=9 cannot be used; allowed: 8, 10, 12 with encoder=x265"),
    ("bpg:backend=embedded,encoder=jctvc", "codec bpg: encoder='jctvc' cannot be used; allowed: x265 with backend="),
    ("learned:effort=4", "codec learned: effort='4' cannot be used; allowed: 0, 1, 2, 3"),
    ("learned:effort=true", "codec learned: effort='true' cannot be used; allowed: 0, 1, 2, 3"),
    ("learned:threads=many", "codec learned: threads='many' cannot be used; allowed: whole numbers"),
])  # fmt: skip
def test_every_codec_refuses_in_the_same_words(spec: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        CodecSpec.parse(spec).create()
    assert str(error.value).startswith(said)


def test_python_may_give_the_value_or_its_text() -> None:
    bpg = Bpg(chroma=420, bit_depth="10")  # type: ignore[arg-type]
    assert bpg == Bpg(chroma="420", bit_depth=10)
    with pytest.raises(UsageError, match="effort=True"):
        LearnedCodec(effort=True)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"threads=1\.5 cannot be used; allowed: whole numbers"):
        LearnedCodec(threads=1.5)  # type: ignore[arg-type]
    assert Short(level=None).level is None
    with pytest.raises(UsageError, match="level='x' cannot be used; allowed: whole numbers or None"):
        Short(level="x")  # type: ignore[arg-type]


def test_a_name_that_looks_like_a_number_stays_a_name() -> None:
    codec = CodecSpec.parse("learned:model=1e5").create()
    assert isinstance(codec, LearnedCodec)
    assert codec.model == "1e5"


def test_the_long_form_gets_texts_as_numbers_where_its_defaults_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = CodecSpec.parse("plain:chroma=444,level=5,strength=0.5")
    monkeypatch.setattr(CodecSpec, "adapter", lambda _: Plain)
    assert spec.create().options == {"chroma": "444", "level": 5, "strength": 0.5}


@dataclass(frozen=True)
class Open(Jpeg):
    """A codec whose options may be left open."""

    name = "open"
    tune: int | None = None
    film: str | None = "grain"
    range: Literal["full", None] = None


def test_an_option_that_is_none_is_spelled_in_a_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CodecSpec, "adapter", lambda _: Open)
    assert arguments(Open(film=None)) == {"film": "none"}
    for codec in (Open(film=None), Open(tune=3), Open(range="full")):
        assert CodecSpec("open", tuple(arguments(codec).items())).create() == codec
    assert CodecSpec.parse("open:tune=None,film=none,range=none").create() == Open(film=None)


def test_an_option_that_is_none_stands_in_rows_and_baseline(
    two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    run = api.run(two_photos, tmp_path / "run", anchor=Open(film=None), codecs=[Jpeg()], points=["quality=30"],
                  images=["coffee"], executor=in_process, use_cache=False)  # fmt: skip
    row = run.rows()[0]
    assert row.options == Open(film=None).options
    assert row.options["tune"] is None
    assert '""film"": null' in tables.render(run, "csv")
    assert "ran with film none" in tables.render(run, "markdown")
    write_baseline(run, tmp_path / "baseline.json", probe=False)
    assert Baseline.read(tmp_path / "baseline.json").codecs["open"].options == row.options


def test_the_conformance_kit_takes_an_option_that_is_none(photo: Image) -> None:
    _Kit(Open(), photo).options()


def test_a_class_in_neither_form_is_told() -> None:
    class Nothing(Plain):
        options = Codec.options

    with pytest.raises(TypeError, match="Nothing: decorate it with @dataclass"):
        _ = Nothing().options


@pytest.mark.parametrize("spec", [
    "learned:threads=-1", "learned:threads=99999999999999999999", "learned:device=nope", "overfitted:threads=-1",
    "overfitted:seed=-1", "overfitted:seed=99999999999999999999", "overfitted:steps=-1", "overfitted:device=x:y",
])  # fmt: skip
def test_numbers_and_devices_that_pytorch_would_fail_on_are_refused_before(spec: str) -> None:
    with pytest.raises(UsageError, match="cannot be used; allowed: "):
        CodecSpec.parse(spec).create()
