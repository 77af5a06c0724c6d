"""Damaged files of every codec: refused or decoded, in memory and time that are known beforehand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from isorate.codecs.registry import CodecSpec
from isorate.errors import CodecUnavailableError

COUNT = int(os.environ.get("ISORATE_FUZZ", "100"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "codec",
    ["learned", "overfitted", "bpg", "jpeg2000", "jpeg", "pictures", "webp", "avif", "svtav1", "vvc", "heif", "jxl"],
)
def test_no_foreign_error_under_6_gb_and_20_s(codec: str, alone: tuple[str, ...]) -> None:
    """ISORATE_FUZZ sets how many."""
    try:
        _ = codec == "pictures" or CodecSpec.parse(codec).create().backend
    except CodecUnavailableError as error:
        pytest.skip(str(error))
    done = subprocess.run(
        [*alone, sys.executable, str(Path(__file__).with_name("fuzz.py")), codec, str(COUNT), "0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["foreign_errors"] == []
    assert report["refused"] > COUNT // 3
    assert report["slowest_s"] < 20
