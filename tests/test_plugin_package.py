"""A codec of another package: installed, listed, matched by worker processes, and held to the contract."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from isorate.cli import main
from isorate.image import Image

PACKAGE = Path(__file__).parent / "plugin_package"
CHECK = """
from isorate.codecs.registry import CodecSpec
from isorate.testing import check_codec
check_codec(CodecSpec.parse("sample-webp:method=4").create())
"""

INSTANCE = """
import sys
import isorate
from isorate_sample_codec.webp import WebP

if __name__ == "__main__":
    run = isorate.run(sys.argv[1], "run", anchor="jpeg", codecs=[WebP(method=4)], images=["coffee"], workers=1)
    print(run.manifest.codecs[1].spec)
    print(next(row.options for row in run.rows() if row.codec == "sample-webp"))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the package into a folder of its own, and return an environment that has it."""
    folder = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(PACKAGE, folder / "source")  # a build leaves files beside the sources
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*words, "--disable-pip-version-check", "--target", str(folder / "installed"), str(source)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return {**os.environ, "PYTHONPATH": str(folder / "installed"), "PYTHONSAFEPATH": "1"}


def said(words: list[str], environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_is_listed(environment: dict[str, str], tmp_path: Path) -> None:
    listed = json.loads(said([sys.executable, "-m", "isorate", "codecs", "--json"], environment, tmp_path))
    found = next(entry for entry in listed if entry["name"] == "sample-webp")
    assert found["available"]
    assert found["options"] == {"method": 6, "chroma": "420"}


def test_it_conforms(environment: dict[str, str], tmp_path: Path) -> None:
    said([sys.executable, "-c", CHECK], environment, tmp_path)


def test_it_encodes_and_decodes_by_the_ending(environment: dict[str, str], photo: Image, tmp_path: Path) -> None:
    PillowImage.fromarray(photo).save(tmp_path / "photo.png")
    for words in (["encode", "photo.png", "photo.swebp", "--bpp", "0.8"], ["decode", "photo.swebp", "again.png"]):
        assert "libwebp" in said([sys.executable, "-m", "isorate", *words], environment, tmp_path)
    assert np.asarray(PillowImage.open(tmp_path / "again.png")).shape == photo.shape


@pytest.mark.slow
def test_an_instance_of_it_reaches_the_workers(environment: dict[str, str], two_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(INSTANCE)
    printed = said([sys.executable, "script.py", str(two_photos)], environment, tmp_path)
    assert printed.splitlines() == ["sample-webp:method=4", "{'method': 4, 'chroma': '420'}"]


@pytest.mark.slow
def test_it_is_matched_in_worker_processes(
    environment: dict[str, str], two_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    words = ["run", "--data", str(two_photos), "--anchor", "sample-webp", "--codec", "jpeg", "--workers", "1"]
    said([sys.executable, "-m", "isorate", *words, "-o", str(out)], environment, tmp_path)
    assert main(["table", str(out), "--format", "csv"]) == 0
    assert capsys.readouterr().out.count("libwebp") == 2
