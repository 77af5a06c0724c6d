"""The external back end, against programs that misbehave and, where they are, the real ones."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from isorate.codecs.bpg import Bpg
from isorate.codecs.identity import identity
from isorate.errors import BitstreamError, CodecError, CodecUnavailableError, UsageError
from isorate.image import Image

USAGE = '[ $# -eq 0 ] && echo "BPG Image Encoder version 0.9.8" && exit 1'


def test_auto_prefers_bpgenc_and_falls_back_to_the_embedded_back_end(program: Callable[[str, str], Path]) -> None:
    assert Bpg().backend.startswith("x265 ")
    program("bpgenc", USAGE)
    assert Bpg().backend == "bpgenc 0.9.8 x265"
    assert Bpg("embedded").backend.startswith("x265 ")


def test_the_environment_names_programs(program: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = program("other-name", USAGE.replace("0.9.8", "1.2.3"))
    monkeypatch.setenv("ISORATE_BPGENC", str(path))
    assert Bpg(encoder="jctvc").backend == "bpgenc 1.2.3 jctvc"
    monkeypatch.setenv("ISORATE_BPGENC", str(path.with_name("absent")))
    with pytest.raises(CodecUnavailableError, match=r"ISORATE_BPGENC=.*absent"):
        assert Bpg().backend


def test_another_build_of_bpgenc_or_bpgdec_is_another_identity(program: Callable[[str, str], Path]) -> None:
    """Also one that prints the same version, and while we run."""
    embedded = identity(Bpg("embedded"))
    assert embedded.programs == ""
    program("bpgenc", USAGE)
    program("bpgdec", "exit 0")
    before = identity(Bpg())
    program("bpgdec", "exit 1")
    decoder = identity(Bpg())
    assert (decoder.encode == before.encode, decoder.decode == before.decode) == (True, False)
    program("bpgenc", f"{USAGE} # patched")
    encoder = identity(Bpg())
    assert (encoder.encode == decoder.encode, encoder.decode == decoder.decode) == (False, True)
    assert identity(Bpg("embedded")) == embedded


@pytest.mark.parametrize("options", [{"backend": "bpgenc"}, {"encoder": "jctvc"}])
def test_a_missing_bpgenc_is_unavailable_with_a_remedy(
    options: dict[str, Any], program: Callable[[str, str], Path], photo: Image
) -> None:
    codec = Bpg(**options)
    with pytest.raises(CodecUnavailableError, match=r"PATH.*ISORATE_BPGENC"):
        assert codec.backend
    with pytest.raises(CodecUnavailableError, match=r"PATH.*ISORATE_BPGENC"):
        codec.encode(photo, 30)


def test_a_program_that_is_not_bpgenc_is_unavailable(program: Callable[[str, str], Path]) -> None:
    program("bpgenc", "echo hello")
    with pytest.raises(CodecUnavailableError, match="no version"):
        assert Bpg("bpgenc").backend


def test_a_failure_shows_status_and_stderr(program: Callable[[str, str], Path], photo: Image) -> None:
    program("bpgenc", f"{USAGE}\necho 'Unsupported thing' >&2\nexit 3")
    with pytest.raises(CodecError, match="status 3: Unsupported thing"):
        Bpg("bpgenc").encode(photo, 30)


def test_a_crash_is_named(program: Callable[[str, str], Path], photo: Image) -> None:
    program("bpgenc", "kill -SEGV $$")
    with pytest.raises(CodecError, match="killed by SIGSEGV"):
        Bpg("bpgenc").encode(photo, 30)


@pytest.mark.parametrize("script", ["exit 0", 'for last; do true; done\n: > "${last%.png}.bpg"'])
def test_writing_nothing_is_a_failure(script: str, program: Callable[[str, str], Path], photo: Image) -> None:
    program("bpgenc", script)
    with pytest.raises(CodecError, match="wrote nothing for a picture of 191×175"):
        Bpg("bpgenc").encode(photo, 30)


def test_a_hanging_program_is_killed_with_its_children(
    program: Callable[[str, str], Path], photo: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    note = tmp_path / "child"
    program("bpgenc", f"sleep 60 &\necho $! > {note}\nwait")
    monkeypatch.setenv("ISORATE_BPG_TIMEOUT", "0.5")
    began = time.monotonic()
    with pytest.raises(CodecError, match=r"stopped after 0\.5 s"):
        Bpg("bpgenc").encode(photo, 30)
    assert time.monotonic() - began < 10
    assert has_ended(int(note.read_text()))


def has_ended(pid: int) -> bool:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan", "inf"])
def test_a_senseless_time_limit_is_refused(
    text: str, program: Callable[[str, str], Path], photo: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("bpgenc", "exit 0")
    monkeypatch.setenv("ISORATE_BPG_TIMEOUT", text)
    with pytest.raises(UsageError, match=f"ISORATE_BPG_TIMEOUT={text}"):
        Bpg("bpgenc").encode(photo, 30)


def test_arguments_are_bpgencs(program: Callable[[str, str], Path], photo: Image, tmp_path: Path) -> None:
    said = tmp_path / "arguments"
    program("bpgenc", f'echo "$@" > {said}\nexit 1')
    with pytest.raises(CodecError):
        Bpg("bpgenc", encoder="jctvc", chroma="420", bit_depth=10, level=9).encode(photo, 37)
    assert said.read_text().startswith("-e jctvc -c ycbcr -f 420 -b 10 -m 9 -q 37 -o ")


def test_nothing_is_left_in_the_temporary_folder(
    program: Callable[[str, str], Path], photo: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    program("bpgenc", "exit 1")
    with pytest.raises(CodecError):
        Bpg("bpgenc").encode(photo, 30)
    assert not any(folder.iterdir())


def test_bpgdec_failing_or_writing_nothing_is_an_error(
    program: Callable[[str, str], Path], stream: Callable[[str], bytes]
) -> None:
    data = stream("rocket_x265_gray_8bit_q30")
    for script, reason in (("echo 'Could not decode' >&2; exit 1", "Could not decode"), ("exit 0", "wrote no picture")):
        program("bpgdec", script)
        with pytest.raises(CodecError, match=reason):
            Bpg("bpgenc").decode(data)


def test_without_bpgdec_bpgencs_files_are_decoded_by_the_embedded_back_end(
    program: Callable[[str, str], Path],
    stream: Callable[[str], bytes],
    expected: Callable[[str], tuple[tuple[int, ...], str]],
    fingerprint: Callable[[Image], tuple[tuple[int, ...], str]],
) -> None:
    program("bpgenc", USAGE)
    name = "rocket_x265_gray_8bit_q30"
    assert fingerprint(Bpg("bpgenc").decode(stream(name))) == expected(name)


def test_hostile_headers_never_reach_bpgdec(
    program: Callable[[str, str], Path], stream: Callable[[str], bytes], tmp_path: Path
) -> None:
    program("bpgdec", f": > {tmp_path}/ran")
    with pytest.raises(BitstreamError):
        Bpg("bpgenc").decode(stream("rocket_x265_gray_8bit_q30")[:20])
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("chroma", ["444", "422", "420"])
@pytest.mark.parametrize("bit_depth", [8, 10, 12])
def test_real_bpgdec_decodes_own_files_to_the_same_pixels(
    chroma: Literal["444", "422", "420"], bit_depth: Literal[8, 10, 12], bpgenc: Bpg, astronaut: Image
) -> None:
    codec = Bpg("embedded", chroma=chroma, bit_depth=bit_depth)
    for height, width in ((1, 1), (5, 7), (9, 8), (64, 15), (129, 77)):
        data = codec.encode(np.ascontiguousarray(astronaut[90 : 90 + height, 90 : 90 + width]), 28)
        assert np.array_equal(codec.decode(data), bpgenc.decode(data))


@pytest.mark.parametrize("encoder", ["x265", "jctvc"])
@pytest.mark.parametrize("chroma", ["444", "420"])
def test_real_bpgencs_files_decode_to_the_same_pixels(
    encoder: Literal["x265", "jctvc"], chroma: Literal["444", "422", "420"], bpgenc: Bpg, photo: Image, embedded: Bpg
) -> None:
    codec = Bpg("bpgenc", encoder=encoder, chroma=chroma, level=3)
    data = codec.encode(photo, 32)
    assert np.array_equal(codec.decode(data), embedded.decode(data))


def test_real_bpgenc_crashes_or_writes_nothing_for_tiny_pictures(bpgenc: Bpg, photo: Image) -> None:
    with pytest.raises(CodecError, match=r"wrote nothing for a picture of 1×1|was killed by SIGSEGV"):
        bpgenc.encode(photo[:1, :1], 30)
