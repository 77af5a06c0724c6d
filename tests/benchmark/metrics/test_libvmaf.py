"""VMAF and PSNR-HVS against other implementations, and what happens without a libvmaf."""

import builtins
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from isorate.errors import MetricError, MetricUnavailableError
from isorate.image import Image
from isorate.metrics import libvmaf
from isorate.metrics.libvmaf import PsnrHvs, Vmaf, video_range

ASTRONAUT: Image = np.ascontiguousarray(skimage.data.astronaut())
COARSE: Image = ASTRONAUT // 32 * 32 + 16
"""The same in eight levels a channel."""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    libvmaf._scores.cache_clear()
    libvmaf._version.cache_clear()
    yield
    libvmaf._version.cache_clear()


@pytest.fixture
def available() -> None:
    try:
        _ = Vmaf().implementation
    except MetricUnavailableError as error:
        pytest.skip(str(error))


def test_video_range_is_bt_601_rounded() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]], np.uint8)
    assert video_range(colours)[:, 0].T.tolist() == [[16, 128, 128], [235, 128, 128], [81, 90, 240], [41, 240, 110]]


@pytest.mark.usefixtures("available")
def test_the_values_are_those_of_other_implementations() -> None:
    # vmaf-torch 1.1.0 (floating point, without motion) on the same planes: 75.7090; libvmaf counts in integers
    assert Vmaf().measure(ASTRONAUT, COARSE) == pytest.approx(75.709, abs=0.02)
    # Xiph's psnr_hvs.c, compiled by itself, on the same planes: Y 27.936017, Cb 33.588510, Cr 30.950672
    assert PsnrHvs().measure(ASTRONAUT, COARSE) == pytest.approx(28.505223, abs=0.0001)


@pytest.mark.usefixtures("available")
def test_identical_pictures_and_small_ones() -> None:
    assert PsnrHvs().measure(ASTRONAUT, ASTRONAUT.copy()) == math.inf
    # without motion the model ends below 100
    assert Vmaf().measure(ASTRONAUT, ASTRONAUT.copy()) == pytest.approx(97.43, abs=0.01)
    small = ASTRONAUT[:31, :64]
    assert Vmaf().measure(small, small) is None
    assert PsnrHvs().measure(small.transpose(1, 0, 2), small.transpose(1, 0, 2)) is None


@pytest.mark.usefixtures("available")
def test_one_call_gives_both(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    run = libvmaf._run

    def counted(*words: Any) -> dict[str, Any]:
        calls.append(words[0])
        return run(*words)

    monkeypatch.setattr(libvmaf, "_run", counted)
    values = [metric.measure(ASTRONAUT[:64, :96], COARSE[:64, :96]) for metric in (Vmaf(), PsnrHvs())]
    assert len(set(values)) == 2
    assert len(calls) == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def missing(name: str, *more: Any) -> Any:
        if name == "imageio_ffmpeg":
            raise ImportError("No module named 'imageio_ffmpeg'")
        return imported(name, *more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MetricUnavailableError, match=r"vmaf: No module named .*pip install 'isorate\[ffmpeg\]'"):
        _ = Vmaf().implementation


@pytest.mark.skipif(sys.platform == "win32", reason="a script as a program")
def test_an_ffmpeg_without_libvmaf_is_not_available(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    other = tmp_path / "ffmpeg"
    other.write_text("#!/bin/sh\necho \"No such filter: 'libvmaf'\" >&2\nexit 8\n")
    other.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(other))
    with pytest.raises(MetricUnavailableError, match=r"No such filter: 'libvmaf'.*unset IMAGEIO_FFMPEG_EXE"):
        _ = PsnrHvs().implementation
    with pytest.raises(MetricError, match="libvmaf: FFmpeg failed with status 8: No such filter"):
        PsnrHvs().measure(ASTRONAUT, COARSE)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    with pytest.raises(MetricUnavailableError, match="is no program here"):
        _ = PsnrHvs().implementation
