"""Codecs that are only command lines: with real programs where they are, and with programs that misbehave."""

# ruff: noqa: E501  definitions in one line each
import pickle
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate import api
from isorate.api import match
from isorate.cli import main
from isorate.cli.config import configure_codecs
from isorate.codecs.base import Codec
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.registry import CodecSpec, configure
from isorate.engine.reproduce import Outcome, reproduce
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, RunError, UsageError
from isorate.files.toml import TomlFile
from isorate.image import Image
from isorate.runs.folder import Run
from isorate.testing import check_codec

ROOT = Path(__file__).parents[2]
DOCUMENTED = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "configuration.md").read_text(), re.DOTALL)[0]
KNOB = '{ name = "q", low = 1, high = 100, default = 20 }'

# Pillow as two programs: what a test needs where no encoder is installed.
PROGRAM = f"""#!{sys.executable}
import sys
from PIL import Image as PillowImage
words = sys.argv[1:]
if words == ["--version"]:
    print("Pillow's program\\n7.8.9")
elif words[0] == "e":
    PillowImage.open(words[1]).save(words[2], "JPEG", quality=int(float(words[3])))
else:
    PillowImage.open(words[1]).save(words[2])
"""


@pytest.fixture(autouse=True)
def _nothing_configured() -> Iterator[None]:
    yield
    configure([])


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., Path]:
    def install(text: str = PROGRAM, name: str = "prog") -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    return install


def codec(text: str, name: str = "mine") -> Codec:
    configure_codecs(TomlFile(text, "isorate.toml"))
    return CodecSpec.parse(name).create()


def mine(path: Path | str, **more: Any) -> str:
    values = {
        "suffix": ".jpg", "encode": f"{path} e {{input}} {{output}} {{q}}", "decode": f"{path} d {{input}} {{output}}",
        "version": f"{path} --version", **more,
    }  # fmt: skip
    lines = [f"{key} = '{value}'" for key, value in values.items() if value is not None and key != "timeout"]
    lines += [f"timeout = {more['timeout']}"] if "timeout" in more else []
    return "\n".join(["[codec.mine]", *lines, f"knob = {KNOB}"])


@pytest.mark.parametrize(("name", "programs"), [
    ("cwebp", ("cwebp", "dwebp")), ("avifenc", ("avifenc", "avifdec")), ("openjpeg", ("opj_compress", "opj_decompress")),
])  # fmt: skip
def test_real_programs_by_the_documented_configuration(name: str, programs: tuple[str, str], photo: Image) -> None:
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"{missing[0]} is not installed (apt-get install webp libavif-bin libopenjp2-tools)")
    made = codec(DOCUMENTED, name)
    assert re.search(r"\d", made.backend)
    check_codec(made, photo)
    data, found = match(made, photo, 0.8)
    assert abs(found.residual_pct) < 8
    assert np.mean((made.decode(data).astype(float) - photo) ** 2) < 400


def test_what_the_program_writes_is_what_counts(program: Callable[..., Path], photo: Image) -> None:
    made = codec(mine(program()))
    data = made.encode(photo, 30)
    assert made.backend == "prog 7.8.9"
    assert np.array_equal(made.decode(data), Jpeg().decode(data))
    assert str(made.options["encode"]).endswith("{input} {output} {q}")
    copy = pickle.loads(pickle.dumps(made))
    assert (copy.name, copy.encode(photo, 30)) == ("mine", data)


def test_a_run_and_its_reproduction_without_the_configuration(
    program: Callable[..., Path], two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    codec(mine(program()))
    run = api.run(
        two_photos, tmp_path / "run", anchor="jpeg", codecs=["mine"], points=["quality=20"], images=["coffee"],
        tolerance_pct=10, executor=in_process,
    )  # fmt: skip
    assert all(row.ok and row.backend for row in run.rows())
    again = reproduce(run, tmp_path / "again", executor=in_process)
    assert {item.outcome for item in again} == {Outcome.SAME_FILE}
    configure([])
    with pytest.raises(RunError, match="--allow-programs"):
        reproduce(run, tmp_path / "refused", executor=in_process)
    again = reproduce(run, tmp_path / "allowed", executor=in_process, allow_programs=True)
    assert {item.outcome for item in again} == {Outcome.SAME_FILE}


def test_encode_decode_and_codecs_know_the_configuration(
    program: Callable[..., Path],
    photo: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "isorate.toml").write_text("anchor = 'misspelt'\n" + mine(program(), suffix=".prog"))
    PillowImage.fromarray(photo).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    assert main(["codecs"]) == 0
    assert "mine  mine  [prog 7.8.9]" in capsys.readouterr().out
    assert main(["encode", "photo.png", "photo.prog", "--knob", "30"]) == 0
    assert main(["decode", "photo.prog", "again.png"]) == 0
    assert np.array_equal(np.asarray(PillowImage.open("again.png")), Jpeg().decode(Path("photo.prog").read_bytes()))
    Path("isorate.toml").rename("other.toml")
    assert main(["decode", "photo.prog", "again.png"]) == 0, "the registry of this process still knows it"
    configure([])
    assert main(["decode", "photo.prog", "again.png"]) == 2
    assert (
        "no codec has the ending '.prog' (there are .266, .avif, .bpg, .cai, .heic, .iso, .j2k"
        in capsys.readouterr().err
    )
    assert main(["decode", "photo.prog", "again.png", "--config", "other.toml"]) == 0


def test_an_ending_of_two_codecs_has_to_be_chosen(
    program: Callable[..., Path],
    photo: Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "isorate.toml").write_text(mine(program()))
    PillowImage.fromarray(photo).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    words = ["encode", "photo.png", "photo.jpg", "--knob", "30"]
    assert main(words) == 2
    assert "photo.jpg: several codecs have this ending; name one with --codec: jpeg, mine" in capsys.readouterr().err
    assert main([*words, "--codec", "mine"]) == 0
    assert main([*words[:3], "--knob", "30", "--codec", "jpeg"]) == 0


def test_a_run_of_a_configured_anchor_continues_and_is_reproduced_at_its_knob(
    program: Callable[..., Path], two_photos: Path, tmp_path: Path, in_process: Executor
) -> None:
    text = mine(program()).replace("{q}", "{q2}").replace(KNOB, KNOB.replace('"q"', '"q2"'))
    codec(text)

    def run() -> Run:
        codec(text)  # as a new process reads it
        return api.run(
            two_photos, tmp_path / "run", anchor="mine", codecs=["jpeg"], points=["q2=20"], images=["coffee"],
            tolerance_pct=10, executor=in_process,
        )  # fmt: skip

    before = run().rows()
    Run.open(tmp_path / "run").remove_row("coffee", before[0].point, "jpeg")
    done = run()
    assert [row.key for row in done.rows()] == [row.key for row in before]
    assert done.rows()[0].knob == 20
    assert {item.outcome for item in reproduce(done, tmp_path / "again", executor=in_process)} == {Outcome.SAME_FILE}
    codec(text.replace("version =", "timeout = 7\nversion ="))
    with pytest.raises(RunError, match=r"holds another run: codec mine: command_line was CommandLine\("):
        api.run(two_photos, tmp_path / "run", anchor="mine", codecs=["jpeg"], points=["q2=20"], images=["coffee"],
                tolerance_pct=10, executor=in_process)  # fmt: skip


def test_without_a_decoder_pillow_decodes_and_without_a_version_the_checksum_stands_for_it(
    program: Callable[..., Path], photo: Image
) -> None:
    made = codec(mine(program(), decode=None, version=None))
    assert re.fullmatch(r"prog \(SHA-256 [0-9a-f]{12}\)", made.backend)
    assert made.decode(made.encode(photo, 30)).shape == photo.shape
    with pytest.raises(BitstreamError):
        made.decode(b"nothing")


@pytest.mark.parametrize(("script", "said"), [
    ("echo about to fail >&2; exit 3", "prog failed with status 3: about to fail"),
    ("kill -SEGV $$", "killed by SIGSEGV"),
    ("echo did nothing", "the encoder wrote nothing at q 20.0: did nothing"),
    ("sleep 60 & wait", "stopped after 0.5 s"),
])  # fmt: skip
def test_misbehaving_encoders_are_told_with_what_they_printed(
    program: Callable[..., Path], photo: Image, script: str, said: str
) -> None:
    made = codec(mine(program(f"#!/bin/sh\n{script}\n"), version=None, timeout=0.5))
    start = time.monotonic()
    with pytest.raises(CodecError, match=re.escape(said)):
        made.encode(photo, 20.0)
    assert time.monotonic() - start < 20


def test_damage_is_a_bitstream_error_and_a_wrong_picture_too(program: Callable[..., Path]) -> None:
    made = codec(mine(program()))
    with pytest.raises(BitstreamError, match="mine: prog failed with status 1"):
        made.decode(b"nothing")
    made = codec(mine(program("#!/bin/sh\necho text > $3\n", "liar")))
    with pytest.raises(BitstreamError, match="the decoder's picture"):
        made.decode(b"nothing")


def test_no_shell_sees_the_command_line(program: Callable[..., Path], photo: Image, tmp_path: Path) -> None:
    path = program("#!/bin/sh\nprintf '%s\\n' \"$@\" > " + str(tmp_path / "words") + "\ncp /dev/null $2; echo x > $2\n")
    made = codec(
        mine(path, encode=f'{path} {{input}} {{output}} {{q}} "two words" ; touch $HOME `id` > f', version=None)
    )
    made.encode(photo, 20)
    words = (tmp_path / "words").read_text().splitlines()
    assert words[2:] == ["20.0", "two words", ";", "touch", "$HOME", "`id`", ">", "f"]


def test_a_missing_program_is_unavailable_with_a_hint() -> None:
    made = codec(mine("/nowhere/enc"))
    with pytest.raises(CodecUnavailableError, match="/nowhere/enc is no program on PATH; install it"):
        _ = made.backend


@pytest.mark.parametrize(("text", "said"), [
    ("[codec.a]\nencode = 'x {input}'\nsuffix = '.a'", "t:1: codec a lacks knob"),
    (f"[codec.a]\nencode = 'x {{input}}'\nsuffix = '.jpg'\nknob = {KNOB}", "t:1: codec a: encode lacks {output}, {q}"),
    (f"[codec.a]\nencode = 'x {{input}} {{output}} {{q}} {{r}}'\nsuffix = '.jpg'\nknob = {KNOB}", "has {r}; the placeholders"),
    (f"[codec.a]\nencode = 'x {{input}} {{output}} {{q}}'\nsuffix = '.zzz'\nknob = {KNOB}", "Pillow decodes no .zzz"),
    (f"[codec.a]\nencode = 'x \"{{input}} {{output}} {{q}}'\nsuffix = '.jpg'\nknob = {KNOB}", "No closing quotation"),
    (f"[codec.a]\nencode = 'x'\nsuffix = 'jpg'\nknob = {KNOB}", "t:3: suffix is 'jpg'; it starts with a dot"),
    (f"[codec.a]\nencode = 'x'\nsuffix = './../x.jpg'\nknob = {KNOB}", "suffix is './../x.jpg'; it is a file's ending"),
    (f"[codec.jpeg]\nencode = 'x'\nsuffix = '.jpg'\nknob = {KNOB}", "t:1: codec jpeg: this is a built-in codec's name"),
    ("[codec.a]\nencoder = 'x'", "t:2: no key 'encoder' in [codec.a]; did you mean 'encode'?"),
    ("[codec.a]\nencode = 3\nsuffix = '.jpg'\nknob = {}", "t:2: encode is 3; a text in quotes"),
    ("[codec.a]\nencode = 'x'\nsuffix = '.a'\nknob = { name = 'q' }", "t:4: codec a: the knob lacks low, high"),
    ("[codec.a]\nencode = 'x'\nsuffix = '.a'\nknob = { name = 'q', low = 5, high = 1 }", "low must be below high"),
    ("[codec.a]\nencode = 'x'\nsuffix = '.a'\nknob = { name = 'q', low = 0, high = 1, log = true }", "above 0, and low is 0"),
    ("[codec.a]\nencode = 'x'\nsuffix = '.a'\nknob = { name = 'q', low = 0, high = 1, default = 2 }", "default 2 is outside"),
    ("[codec.a]\nencode = 'x'\nsuffix = '.a'\nknob = { name = 'q', low = 0, high = 1, rising = 'no' }", "true or false"),
    (f"[codec.a]\nencode = 'x'\nsuffix = '.a'\ntimeout = 0\nknob = {KNOB}", "t:4: timeout is 0; a number above 0"),
])  # fmt: skip
def test_an_unusable_definition_names_the_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        configure_codecs(TomlFile(text, "t"))
    assert said in str(error.value)


@pytest.mark.parametrize(("made", "said"), [
    ("Image.fromarray(np.zeros((4, 4), np.uint16)).save(out)", "16 bits a sample"),
    ("Image.new('RGB', (4, 4)).save(out, icc_profile=b'none of ours')", "not sRGB: an ICC profile that cannot be used"),
    ("Image.new('RGBA', (4, 4), (0, 0, 0, 9)).save(out)", "transparent pixels"),
    ("Image.new('RGB', (4, 4)).save(out, save_all=True, append_images=[Image.new('RGB', (4, 4), 9)])", "2 frames"),
    ("Image.new('1', (16385, 16384)).save(out)", "exceeds isorate's limit of 268435456 pixels"),
    ("open(out, 'wb').truncate(2**40)", "no picture of 268435456 pixels"),
])  # fmt: skip
def test_what_a_decoder_writes_is_held_to_what_sources_are(program: Callable[..., Path], made: str, said: str) -> None:
    text = f"#!{sys.executable}\nimport sys\nimport numpy as np\nfrom PIL import Image\nout = sys.argv[3]\n{made}\n"
    with pytest.raises(BitstreamError, match=said):
        codec(mine(program(text), version=None)).decode(b"a file")
