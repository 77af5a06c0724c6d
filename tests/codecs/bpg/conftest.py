"""Golden streams, made by bpgenc, with the pixels that bpgdec decodes; and the real programs where they are."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isorate.codecs.bpg import Bpg, external
from isorate.image import Image

FOLDER = Path(__file__).parents[2] / "data" / "bpg"
GOLDEN = {entry["file"].removesuffix(".bpg"): entry for entry in json.loads((FOLDER / "golden.json").read_text())}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "golden" in metafunc.fixturenames:
        metafunc.parametrize("golden", GOLDEN)
    if "lossy" in metafunc.fixturenames:
        metafunc.parametrize("lossy", [name for name in GOLDEN if "lossless" not in name])


@pytest.fixture(scope="session")
def stream() -> Callable[[str], bytes]:
    """Return a golden stream's bytes by name."""
    return lambda name: (FOLDER / f"{name}.bpg").read_bytes()


@pytest.fixture(scope="session")
def expected() -> Callable[[str], tuple[tuple[int, ...], str]]:
    """Return shape and SHA-256 of a golden stream's pixels by name."""
    return lambda name: (tuple(GOLDEN[name]["decoded_shape"]), GOLDEN[name]["decoded_rgb_sha256"])


@pytest.fixture(scope="session")
def fingerprint() -> Callable[[Image], tuple[tuple[int, ...], str]]:
    """Return shape and SHA-256 of an image."""
    return lambda image: (image.shape, hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest())


@pytest.fixture(scope="session")
def embedded() -> Bpg:
    return Bpg("embedded")


@pytest.fixture
def bpgenc() -> Bpg:
    """Return the codec over the real bpgenc and bpgdec, or skip."""
    for tool, variable in (("bpgenc", external.ENCODER_VARIABLE), ("bpgdec", external.DECODER_VARIABLE)):
        if external.find(tool, variable) is None:
            pytest.skip(f"{tool} is not at hand; name it in {variable}")
    return Bpg("bpgenc")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Install a shell script as bpgenc or bpgdec, and nothing else."""
    for variable in (external.ENCODER_VARIABLE, external.DECODER_VARIABLE, external.TIME_LIMIT_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sleep", "cat", "cp"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return install
