"""Standard output holds a command's own words, whatever a codec, its libraries and its programs print."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image as PillowImage

LOUD = """
import os, subprocess, sys
from isorate.codecs.jpeg import Jpeg


class Codec(Jpeg):
    name = label = "loud"
    suffix = ".loud"

    def _talk(self):
        print("noise")
        sys.__stdout__.write("noise")
        os.write(1, b"noise")
        subprocess.run([sys.executable, "-c", "print('noise')"], check=True)

    @property
    def knob(self):
        self._talk()
        return super().knob

    @property
    def backend(self):
        self._talk()
        return super().backend

    def encode(self, image, knob):
        self._talk()
        return super().encode(image, knob)

    def decode(self, data):
        self._talk()
        return super().decode(data)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, install: Callable[..., dict[str, str]]) -> dict[str, str]:
    points = "[isorate.codecs]\nloud = loud_codec:Codec"
    return install(tmp_path_factory.mktemp("site"), "loud", points, loud_codec=LOUD)


def isorate(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "isorate", *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, check=False)


def spoken(done: subprocess.CompletedProcess[bytes]) -> object:
    """Return what a command said as JSON, after making sure that the codec's words arrived elsewhere."""
    assert done.returncode == 0, done.stderr
    assert b"noise" in done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_json_is_json_beside_a_codec_that_prints(environment: dict[str, str], tmp_path: Path, two_photos: Path) -> None:
    picture, out = two_photos / "coffee.png", tmp_path / "out.loud"
    spoken(isorate(environment, "encode", picture, out, "--knob", 20, "--json"))
    spoken(isorate(environment, "decode", out, tmp_path / "out.png", "--json"))
    spoken(isorate(environment, "codecs", "--json"))
    words = ["--data", picture, "--anchor", "loud", "--point", "quality=30", "--codec", "jpeg", "--workers", 1]
    spoken(isorate(environment, "run", *words, "-o", tmp_path / "run", "--json", "--no-cache"))
    spoken(isorate(environment, "time", tmp_path / "run", "--repeat", 1, "--json"))


def test_a_file_on_standard_output_arrives_there(environment: dict[str, str], tmp_path: Path, two_photos: Path) -> None:
    words = ["encode", two_photos / "coffee.png", "/dev/stdout", "--codec", "loud", "--knob", 20]
    assert isorate(environment, *words).stdout.startswith(b"\xff\xd8\xff")
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-m", "isorate", *map(str, words)]
        assert subprocess.run(command, env=environment, stdout=out, stderr=subprocess.PIPE, check=False).returncode == 0
    whole = (tmp_path / "out").read_bytes()
    assert whole.startswith(b"\xff\xd8\xff")
    assert b"noise" not in whole
    with PillowImage.open(tmp_path / "out") as picture:
        picture.load()


def test_an_output_that_is_full_or_gone_is_told_as_such(tmp_path: Path) -> None:
    command = f"{sys.executable} -m isorate datasets"
    full = subprocess.run(f"{command} > /dev/full", shell=True, capture_output=True, text=True, check=False)
    assert (full.returncode, full.stderr) == (74, "isorate: standard output: No space left on device\n")
    for closed in (">&-", ">&- 2>&-"):
        assert subprocess.run(f"{command} {closed}", shell=True, check=False).returncode == 0
    piped = f"{command} --json | head -c 1; exit ${{PIPESTATUS[0]}}"
    gone = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=False)
    assert (gone.returncode, gone.stdout, gone.stderr) == (0, "[", "")


def test_an_unbuffered_standard_output_stays_so() -> None:
    script = (
        "import sys\n"
        "from isorate.files.standard_output import own_standard_output\n"
        "with own_standard_output():\n"
        "    print('first')\n"
        "    print('second', file=sys.stderr)\n"
    )
    command = [sys.executable, "-u", "-c", script]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    assert done.stdout.split() == ["first", "second"]
