"""Other people's code fails in every way; the codecs beside it go on."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from isorate import api
from isorate.cli import main
from isorate.codecs.base import Knob, TwoKnobCodec
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.jpeg2000 import Jpeg2000
from isorate.engine.cache import Cache
from isorate.engine.cell import decode
from isorate.errors import CodecError
from isorate.gate.accept import make_baseline
from isorate.image import Image
from isorate.runs.folder import Run
from isorate.runs.lossless import pixels_of

HEAD = "from isorate.codecs.jpeg import Jpeg\nfrom isorate.codecs.base import Codec as Base\n"
BROKEN = {
    "raises": ("raise RuntimeError('CUDA driver version is insufficient')", "RuntimeError: CUDA driver"),
    "leaves": ("raise SystemExit(3)", "SystemExit: 3"),
    "lacks": ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'; install the package"),
    "syntax": ("def (", "SyntaxError"),
    "nothing": ("", "is no codec class"),
    "function": ("def Codec(): pass", "is no codec class"),
    "foreign": ("class Codec: pass", "is no codec class"),
    "abstract": (HEAD + "class Codec(Base):\n    name = label = suffix = '.x'", "it lacks backend, decode"),
    "nameless": (HEAD + "class Codec(Jpeg):\n    label = 3", "is no whole codec; it lacks label"),
    "unmade": (HEAD + "class Codec(Jpeg):\n    def __init__(self): raise OSError('no license')", "OSError: no license"),
    "mute": (HEAD + "class Codec(Jpeg):\n    backend = property(lambda self: 1 / 0)", "ZeroDivisionError"),
    "odd": (HEAD + "class Codec(Jpeg):\n    options = property(lambda self: {'a': object()})", "TypeError"),
}  # fmt: skip
GOOD = "print('hello from an import')\n" + HEAD + "class Codec(Jpeg):\n    name = label = 'loud'"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, install: Callable[..., dict[str, str]]) -> dict[str, str]:
    """The environment of a process in which all of these are installed."""
    modules = {f"others_{name}": source for name, (source, _) in BROKEN.items()} | {"others_loud": GOOD}
    points = "\n".join(["[isorate.codecs]", *(f"{name.removeprefix('others_')} = {name}:Codec" for name in modules)])
    return install(tmp_path_factory.mktemp("site"), "others", points, **modules)


def isorate(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "isorate", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_broken_plug_in_is_listed_with_its_reason(environment: dict[str, str]) -> None:
    done = isorate(environment, "codecs", "--json")
    assert done.returncode == 0, done.stderr
    listed = {codec["name"]: codec for codec in json.loads(done.stdout)}
    for name, (_, reason) in BROKEN.items():
        assert not listed[name]["available"]
        assert reason in listed[name]["hint"]
    assert listed["jpeg"]["available"]
    assert listed["loud"]["available"]
    assert "hello from an import" in done.stderr


@pytest.mark.slow
def test_doctor_and_run_go_on_beside_them(environment: dict[str, str], tmp_path: Path, two_photos: Path) -> None:
    assert "RuntimeError: CUDA driver" in isorate(environment, "doctor", "--data", two_photos).stdout
    words = ["run", "--data", two_photos, "--anchor", "jpeg", "--point", "quality=30", "--workers", 1]
    done = isorate(environment, *words, "--codec", "mute", "--codec", "raises", "-o", tmp_path / "run")
    assert "Traceback" not in done.stderr
    assert done.returncode == 2
    assert "codec raises: fails when it is imported: RuntimeError: CUDA driver" in done.stderr
    done = isorate(environment, "encode", two_photos / "coffee.png", tmp_path / "a.j2k", "--bpp", 1)
    assert done.returncode == 0, done.stderr
    done = isorate(environment, *words, "--codec", "mute", "--codec", "jpeg2000", "-o", tmp_path / "other")
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
    rows = {(row.image, row.codec): row for row in Run.open(tmp_path / "other").rows()}
    assert all(row.ok == (codec != "mute") for (_, codec), row in rows.items())
    assert "ZeroDivisionError" in rows["coffee", "mute"].status


def test_an_encoder_that_exits_fails_its_own_rows(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(Jpeg2000, "encode", leave)
    run = api.run(two_photos, tmp_path / "run", anchor="jpeg", codecs=["jpeg2000"], points=["quality=30"],
                  executor=in_process, use_cache=False)  # fmt: skip
    assert [row.ok for row in run.rows()] == [True, False, True, False]
    assert "unexpected SystemExit: 3" in run.rows()[1].status


@dataclass(frozen=True)
class Another(Jpeg2000):
    """A codec of another package that fails at work, or returns what is no image."""

    name = "another"
    gives: object = field(default=None, compare=False)

    def encode(self, image: Image, knob: float) -> bytes:
        if isinstance(self.gives, BaseException):
            raise self.gives
        return super().encode(image, knob)

    def decode(self, data: bytes) -> Image:
        if isinstance(self.gives, BaseException):
            raise self.gives
        return cast("Image", self.gives)


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), SystemExit(1), SystemExit(0)])
def test_a_plug_in_that_fails_at_work_is_one_line_of_its_own(
    error: BaseException, two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("isorate.codecs.registry.codec_for", lambda *_: Another(gives=error))
    picture, out = str(two_photos / "coffee.png"), str(tmp_path / "out.png")
    for words in (["encode", picture, out, "--bpp", "1"], ["encode", picture, out, "--knob", "9"],
                  ["decode", picture, out]):  # fmt: skip
        assert main(words) == 2
        said = f"codec another: fails: {type(error).__name__}: {error}; tell the author of its package"
        assert capsys.readouterr().err == f"isorate: {said}\n"


@pytest.mark.parametrize("gives", [
    None, b"pixels", np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3), np.float32),
    np.zeros((8, 8, 3), bool), np.zeros((0, 8, 3), np.uint8), np.zeros((8, 8, 3), np.int8),
])  # fmt: skip
def test_what_is_no_picture_is_never_measured(
    gives: object, two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with pytest.raises(CodecError, match=r"another: decode returned .*uint8, is needed"):
        decode(Another(gives=gives), b"", Cache(None))
    monkeypatch.setattr("isorate.codecs.registry.codec_for", lambda *_: Another(gives=gives))
    assert main(["decode", str(two_photos / "coffee.png"), str(tmp_path / "out.png")]) == 2
    assert "another: decode returned" in capsys.readouterr().err


@dataclass(frozen=True)
class Odd(Jpeg2000):
    """A codec of another package whose files, knob or back end are none."""

    name = "odd"
    file: object = field(default=None, compare=False)
    says: tuple[str, object] = field(default=("", None), compare=False)

    def encode(self, image: Image, knob: float) -> bytes:
        return cast("bytes", self.file)

    def __getattribute__(self, name: str) -> object:
        said, value = super().__getattribute__("says")
        if name != said:
            return super().__getattribute__(name)
        if isinstance(value, BaseException):
            raise value
        return value


@pytest.mark.parametrize(("codec", "said"), [
    (Odd(file=b""), "encode returned an empty file at knob "), (Odd(file="abc"), "encode returned str at knob "),
    (Odd(file=None), "encode returned NoneType at knob "), (Odd(says=("knob", None)), "its knob is NoneType"),
    (Odd(says=("knob", ZeroDivisionError("oh"))), "fails: ZeroDivisionError: oh"),
    (Odd(file=b"abc", says=("backend", 7)), "its backend is int, no text"),
    (Odd(file=b"abc", says=("backend", ZeroDivisionError("oh"))), "fails: ZeroDivisionError: oh"),
])  # fmt: skip
@pytest.mark.parametrize("words", [["--knob", "100"], ["--bpp", "1"]])
def test_what_is_no_file_replaces_none(
    codec: Odd, said: str, words: list[str], two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("isorate.codecs.registry.codec_for", lambda *_: codec)
    out = tmp_path / "out.odd"
    out.write_bytes(b"good")
    assert main(["encode", str(two_photos / "coffee.png"), str(out), *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"isorate: codec odd: {said}")
    assert told.endswith("; tell the author of its package\n")
    assert out.read_bytes() == b"good"


def test_what_decode_says_of_itself_is_checked_before_it_writes(
    two_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    source, out = tmp_path / "a.j2k", tmp_path / "out.png"
    assert main(["encode", str(two_photos / "coffee.png"), str(source), "--bpp", "1"]) == 0
    for said in (("backend", 7), ("bits_by_part", lambda _: {"a": object()})):
        monkeypatch.setattr("isorate.codecs.registry.codec_for", lambda *_, said=said: Odd(says=said))
        assert main(["decode", str(source), str(out), "--json"]) == 2
        assert "tell the author of its package" in capsys.readouterr().err
        assert not out.exists()


def test_a_script_gets_no_match_that_is_no_file(astronaut: Image) -> None:
    with pytest.raises(CodecError, match="codec odd: encode returned an empty file"):
        api.match(Odd(file=b""), astronaut, 1)
    with pytest.raises(CodecError, match="codec odd: its knob is NoneType"):
        api.match(Odd(says=("knob", None)), astronaut, 1)
    with pytest.raises(CodecError, match="codec odd: encode returned int for a size"):
        api.match(Odd(says=("encode_to_size", lambda *_, **__: (7, None))), astronaut, 1)


@pytest.mark.parametrize(("low", "high", "default"), [(1, np.inf, None), (np.nan, 9, None), (9, 1, None), (0, 9, None),
                                                      (1, 9, 200), (1, 9, np.nan)])  # fmt: skip
def test_a_knob_that_cannot_be_searched_is_the_codecs_error(
    low: float, high: float, default: float | None, astronaut: Image
) -> None:
    knob = Knob("quality", low, high, integer=True, rising=True, default=default)
    with pytest.raises(CodecError, match=r"codec odd: its knob quality cannot be used: .*; tell the author"):
        api.match(Odd(says=("knob", knob)), astronaut, 1)


class TwoKnobs(Jpeg2000, TwoKnobCodec):
    """The fine knob changes nothing."""

    knob = Knob("cratio", 8, 9, integer=True, rising=False)
    fine_knob = Knob("bin_size", 0.5, 2, integer=False, rising=False)
    fine_default = 1.0

    def encode(self, image: Image, knob: float, fine: float | None = None) -> bytes:
        return super().encode(image, knob)


@pytest.mark.parametrize(("low", "high", "default", "said"), [
    (0.5, np.nan, 1.0, "its fine knob bin_size cannot be used"), (2, 0.5, 1.0, "its fine knob bin_size cannot be used"),
    (0.5, 2, np.nan, "its fine_default is nan"), (0.5, 2, 3.0, "its fine_default is 3.0"),
    (0.5, 2, None, "its fine_default is None"),
])  # fmt: skip
def test_a_fine_knob_that_cannot_be_searched_is_the_codecs_error(
    low: float, high: float, default: float | None, said: str, astronaut: Image
) -> None:
    class Two(TwoKnobs):
        fine_knob = Knob("bin_size", low, high, integer=False, rising=False)
        fine_default = cast("float", default)

    with pytest.raises(CodecError, match=rf"codec jpeg2000: {said}.*; tell the author"):
        api.match(Two(), astronaut, 1)


@pytest.mark.parametrize(("method", "gives", "said"), [
    ("fine_default_at", 3.0, "its fine_default_at(9) is 3.0; a number from 0.5 to 2 is needed"),
    ("fine_default_at", np.nan, "its fine_default_at(9) is nan"),
    ("fine_default_at", None, "its fine_default_at(9) is None"),
    ("fine_knob_at", 1.0, "its fine_knob_at(9) is float, no Knob"),
    ("fine_knob_at", Knob("step", 2, 0.5, integer=False, rising=False), "its fine_knob_at(9) step cannot be used"),
])  # fmt: skip
def test_a_fine_knob_is_checked_where_the_search_comes(method: str, gives: object, said: str, astronaut: Image) -> None:
    """At the coarse knob's own default nothing may be wrong."""

    class Odd(TwoKnobs):
        pass

    def of(codec: TwoKnobCodec, knob: float) -> object:
        return gives if knob == 9 else getattr(super(Odd, codec), method)(knob)

    setattr(Odd, method, of)
    with pytest.raises(CodecError, match=rf"codec jpeg2000: {re.escape(said)}.*; tell the author"):
        api.match(Odd(), astronaut, 0.01)


def test_a_fine_default_of_numpys_is_a_number() -> None:
    """Rows are JSON, which knows no float32."""

    class Single(TwoKnobs):
        def fine_default_at(self, knob: float) -> float:
            return cast("float", np.float32(1.25))

    assert json.dumps(Single().knobs_at(9)) == "[9, 1.25]"


def test_a_view_of_other_memory_is_a_picture(astronaut: Image) -> None:
    turned = astronaut[::-1, ::-2]
    assert np.array_equal(pixels_of(decode(Another(gives=turned), b"", Cache(None)).file), turned)


def test_a_slope_that_cannot_be_probed_costs_no_baseline(
    two_photos: Path, tmp_path: Path, in_process: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object) -> None:
        raise SystemExit(1)

    run = api.run(two_photos, tmp_path / "run", anchor="jpeg", codecs=[], points=["quality=30"], executor=in_process)
    monkeypatch.setattr(Jpeg, "encode", leave)
    assert [row.slope_from for row in make_baseline(run, executor=in_process).rows] == ["", ""]


@dataclass(frozen=True)
class Foreign(Jpeg):
    """A codec whose knob is of NumPy's numbers."""

    name = "foreign"

    @property
    def knob(self) -> Knob:
        return replace(super().knob, low=cast("float", np.int64(1)))


@pytest.mark.parametrize(("anchor", "other"), [(Foreign(), Jpeg()), (Jpeg(), Foreign())])
def test_what_no_manifest_can_hold_is_told_with_its_codec(
    anchor: Jpeg, other: Jpeg, two_photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(CodecError, match=r"codec foreign: what it says of itself cannot stand in a run: .*int64.*"):
        api.run(two_photos, tmp_path / "run", anchor=anchor, codecs=[other], points=["quality=30"])
