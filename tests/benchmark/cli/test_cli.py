import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.cli import learned, main, overfitted
from isorate.cli.commands import COMMANDS
from isorate.codecs.jpeg import Jpeg
from isorate.codecs.registry import BUILT_IN, CodecSpec
from isorate.errors import CodecUnavailableError
from isorate.image import Image


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    return capsys.readouterr


GROUPED = [[group.__name__.rpartition(".")[2], name] for group in (learned, overfitted) for name in group.COMMANDS]


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), *GROUPED])
def test_every_command_has_help(command: list[str], said: Callable[[], Any]) -> None:
    assert main([*command, "--help"]) == 0
    text = said().out
    assert "Usage: isorate" in text
    if command:
        assert f"Usage: isorate {' '.join(command)}" in text
    if command and command not in (["learned"], ["overfitted"]):  # which list others
        assert re.search(rf"isorate .*\b{command[-1]}\b|isorate {command[-1]}\b", text.partition("For example:")[2])


def test_help_loads_nothing_heavy() -> None:
    several = [[], ["learned"], ["overfitted"], *GROUPED]
    code = (
        "import sys; from isorate.cli import main\n"
        f"for words in {several}: main([*words, '--help'])\n"
        "print({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_list_of_the_codecs_loads_no_pytorch() -> None:
    code = "import sys; from isorate.cli import main; main(['codecs']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize("words", [
    ["run", "--data", "/nowhere", "-o", "x"],
    ["report", "/nowhere"],
    ["table", "/nowhere"],
    ["encode", "/nowhere.png", "x.jpg", "--bpp", "1"],
    ["encode", "/nowhere.png", "x.jpg"],
    ["decode", "/nowhere.jpg", "x.png"],
    ["decode", "/nowhere.jpg", "x.jpg"],
    ["decode", "/nowhere.xyz", "x.png"],
    ["verify", "--data", "/nowhere"],
    ["baseline", "/nowhere"],
    ["compare", "/nowhere", "/nowhere"],
    ["reproduce", "/nowhere"],
    ["doctor", "--config", "/nowhere.toml"],
    ["run", "--config", "/nowhere.toml"],
    ["completion", "tcsh"],
    ["encode", "/nowhere.png", "x.jpg", "--bpp", "1", "--config", "/nowhere.toml"],
    ["codecs", "--config", "/nowhere.toml"],
    ["learned", "nonsense"],
    ["learned", "pack", "x"],
    ["learned", "pack", "x", "/nowhere"],
    ["learned", "train", "/nowhere.toml", "-o", "x"],
    ["learned", "export", "/nowhere", "--validation", "/nowhere"],
    ["learned", "integer-cost", "/nowhere", "--validation", "/nowhere"],
    ["learned", "card", "/nowhere", "/nowhere", "--data", "none"],
    ["learned", "golden", "--out", "x", "--weights", "/nowhere"],
    ["learned", "fuzz", "/nowhere"],
    ["learned", "budget", "/nowhere.toml"],
    ["overfitted", "nonsense"],
    ["overfitted", "fuzz", "/nowhere"],
    ["overfitted", "starting-weights", "/nowhere", "-o", "x"],
    ["nonsense"],
    ["run"],
])  # fmt: skip
def test_errors_are_one_message_without_a_traceback(
    words: list[str], said: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = said()
    assert (out + err).strip()
    assert "Traceback" not in out + err
    assert not list(tmp_path.iterdir())


def test_encode_at_a_rate_and_decode(tmp_path: Path, photo: Image, said: Callable[[], Any]) -> None:
    source, stream, back = tmp_path / "a.png", tmp_path / "a.jpg", tmp_path / "b.png"
    PillowImage.fromarray(photo).save(source)
    assert main(["encode", str(source), str(stream), "--bpp", "0.8"]) == 0
    assert "libjpeg" in said().out
    rate = 8 * stream.stat().st_size / (photo.shape[0] * photo.shape[1])
    assert rate == pytest.approx(0.8, rel=0.005)
    assert main(["decode", str(stream), str(back)]) == 0
    assert np.array_equal(np.asarray(PillowImage.open(back)), Jpeg().decode(stream.read_bytes()))


def test_encode_at_a_knob_value(tmp_path: Path, photo: Image, said: Callable[[], Any]) -> None:
    source, stream = tmp_path / "a.png", tmp_path / "a.bin"
    PillowImage.fromarray(photo).save(source)
    words = ["encode", str(source), str(stream), "--codec", "jpeg:mode=integer,chroma=444", "--knob"]
    assert main([*words, "40"]) == 0
    assert stream.read_bytes() == Jpeg("integer", "444").encode(photo, 40)
    assert main([*words, "400"]) == 2
    assert "from 1 to 100" in said().err


@pytest.mark.parametrize("codec", [*BUILT_IN])
def test_a_damaged_file_is_named_once(codec: str, tmp_path: Path, said: Callable[[], Any]) -> None:
    try:
        _ = CodecSpec.parse(codec).create().backend
    except CodecUnavailableError as error:
        pytest.skip(str(error))
    stream = tmp_path / "t.bin"
    stream.write_bytes(b"\xff\xd8" + b"x" * 498)
    assert main(["decode", str(stream), str(tmp_path / "o.png"), "--codec", codec]) == 2
    err = said().err
    assert err.startswith(f"isorate: {stream}: ")
    assert err.count(str(stream)) == 1
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("group", ["learned", "overfitted"])
def test_a_file_that_is_none_is_named_by_fuzz(group: str, tmp_path: Path, said: Callable[[], Any]) -> None:
    stream = tmp_path / "t.bin"
    stream.write_bytes(b"x" * 500)
    assert main([group, "fuzz", str(stream), "--count", "1"]) == 2
    assert said().err.startswith(f"isorate: {stream}: {group}: not a stream of this codec")


def test_codecs_as_text_and_json(said: Callable[[], Any]) -> None:
    assert main(["codecs"]) == 0
    assert "jpeg2000" in said().out
    assert main(["codecs", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(said().out)}
    assert listed["jpeg"]["knob"] == {
        "name": "quality", "low": 1, "high": 100, "integer": False, "rising": True, "log": True, "default": 10,
        "typical": listed["jpeg"]["knob"]["typical"],
    }  # fmt: skip


def test_datasets(said: Callable[[], Any]) -> None:
    assert main(["datasets"]) == 0
    out = said().out
    assert "kodak" in out
    assert "scikit-image" in out


COLUMNS = (
    "image", "codec", "backend", "knob", "lmbda", "bin_size", "target_bpp", "bpp", "residual_pct", "psnr", "ms_ssim",
    "encode_s", "decode_s", "probes", "status", "stream", "decoded",
)  # fmt: skip


@pytest.mark.slow
def test_the_main_job_from_the_command_line(two_photos: Path, tmp_path: Path, said: Callable[[], Any]) -> None:
    out = tmp_path / "run"
    assert (
        main(
            [
                "run",
                "--data",
                str(two_photos),
                "--anchor",
                "bpg",
                "--codec",
                "jpeg2000",
                "--codec",
                "jpeg",
                "-o",
                str(out),
            ]
        )
        == 0
    )
    said()
    assert main(["table", str(out), "--format", "csv"]) == 0
    rows = list(csv.DictReader(said().out.splitlines()))
    assert tuple(rows[0])[: len(COLUMNS)] == COLUMNS
    assert [row["codec"] for row in rows] == ["bpg", "jpeg2000", "jpeg"] * 2
    for row in rows:
        assert row["status"] == "ok"
        assert (out / row["stream"]).is_file()
        assert (out / row["decoded"]).is_file()
        assert float(row["bpp"]) == pytest.approx(float(row["target_bpp"]), rel=0.02)
    assert main(["report", str(out)]) == 0
    page = Path(said().out.strip())
    assert "coffee" in page.read_text(encoding="utf-8")
