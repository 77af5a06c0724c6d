from pathlib import Path

import pytest

from isorate.codecs import registry
from isorate.codecs.base import Codec
from isorate.codecs.bpg import Bpg
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.codecs.learned import LearnedCodec
from isorate.codecs.registry import CodecSpec, codec_for, list_codecs
from isorate.errors import CodecUnavailableError, UsageError


@pytest.mark.parametrize("text", ["jpeg", "jpeg:chroma=444,mode=integer,progressive=true"])
def test_a_spec_is_read_back_as_written(text: str) -> None:
    assert CodecSpec.parse(text).text == text


def test_options_reach_the_adapter() -> None:
    codec = CodecSpec.parse("jpeg:mode=integer,chroma=444,optimize=false").create()
    assert codec.options == {"mode": "integer", "chroma": "444", "optimize": False, "progressive": False}


@pytest.mark.parametrize(("text", "said"), [
    ("jpg", "did you mean 'jpeg'"),
    ("zzz", "there are: learned, bpg"),
    ("jpeg:chrome=444", "did you mean 'chroma'"),
    ("jpeg:444", "not of the form key=value"),
])  # fmt: skip
def test_what_is_not_known_is_told_with_the_nearest(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CodecSpec.parse(text).create()


@pytest.mark.parametrize(("file", "made"), [
    ("a.iso", LearnedCodec()), ("a.bpg", Bpg()), ("a.jp2", Jpeg2000("jp2")), ("a.j2k", Jpeg2000()), ("a.jpg", Jpeg()),
    ("a.JPEG", Jpeg()),
])  # fmt: skip
def test_an_ending_names_its_codec(file: str, made: Codec) -> None:
    assert codec_for(Path(file)) == made
    assert made.suffix == Path(file).suffix.lower().replace("jpeg", "jpg")


def test_the_chosen_codec_counts_more_than_the_ending() -> None:
    assert codec_for(Path("a.jp2"), "jpeg:chroma=444") == Jpeg(chroma="444")


def test_every_built_in_codec_is_listed() -> None:
    listed = {entry.name: entry for entry in list_codecs()}
    assert set(registry.BUILT_IN) <= set(listed)
    assert listed["jpeg"].available
    assert "libjpeg" in listed["jpeg"].backend


def test_the_page_on_fairness_has_every_codecs_chroma_and_depth() -> None:
    text = (Path(__file__).parents[2] / "docs/fairness.md").read_text("utf-8")
    lines = [line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    said = {name.strip("`"): tuple(facts[:2]) for names, *facts in lines for name in names.split(", ")}
    assert set(said) == set(registry.BUILT_IN)
    for name in set(said) - {"compressai"}:  # whose options need checkpoints
        options = CodecSpec.parse(name).create().options
        assert said[name] == tuple(str(options.get(key, "–")) for key in ("chroma", "bit_depth")), name


def test_a_codec_whose_dependency_is_missing_is_listed_with_its_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "absent", "isorate_absent_package:Codec")
    listed = {entry.name: entry for entry in list_codecs()}
    assert not listed["absent"].available
    assert "isorate_absent_package" in listed["absent"].hint
    with pytest.raises(CodecUnavailableError, match="install"):
        CodecSpec("absent").create()


@pytest.mark.parametrize("text", ["webp:method=1,method=2", "webp:method=1, method =1"])
def test_an_option_that_is_given_twice_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="option method is there twice; give it once"):
        CodecSpec.parse(text)
