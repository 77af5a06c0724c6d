"""The look-up of FFmpeg, for codecs and metrics alike."""

import builtins
import stat
from pathlib import Path
from typing import Any

import pytest

from isorate.codecs.registry import list_codecs
from isorate.errors import CodecUnavailableError, MetricUnavailableError
from isorate.ffmpeg import Unavailable, find_ffmpeg, version_in
from isorate.metrics.registry import list_metrics

BOTH = pytest.mark.parametrize("unavailable", [CodecUnavailableError, MetricUnavailableError])


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Return a program, which is no FFmpeg."""
    pytest.importorskip("imageio_ffmpeg")
    file = tmp_path / "my-ffmpeg"
    file.write_text("#!/bin/sh\nexit 1\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


@BOTH
def test_without_the_package_it_says_what_to_install(unavailable: Unavailable, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def missing(name: str, *more: Any, **named: Any) -> Any:
        if name == "imageio_ffmpeg":
            raise ImportError("No module named 'imageio_ffmpeg'")
        return imported(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(unavailable, match=r"who: No module named .*pip install 'isorate\[ffmpeg\]'"):
        find_ffmpeg("who", unavailable)


@BOTH
def test_the_variable_may_name_a_path_or_a_program(
    unavailable: Unavailable, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    for name in (str(program), program.name):
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", name)
        assert find_ffmpeg("who", unavailable) == program
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program.parent / "none"))
    with pytest.raises(unavailable, match=r"who: .*none is no program here; unset IMAGEIO_FFMPEG_EXE"):
        find_ffmpeg("who", unavailable)


def test_lists_say_that_the_named_program_is_missing(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program.parent / "none"))
    codecs = {entry.name: entry.hint for entry in list_codecs()}
    metrics = {entry["name"]: entry["hint"] for entry in list_metrics()}
    told = [codecs["av1"], codecs["vvc"], metrics["vmaf"], metrics["psnr_hvs"]]
    assert all("none is no program here; unset IMAGEIO_FFMPEG_EXE" in hint for hint in told)


def test_the_version_is_read_or_said_to_be_unknown() -> None:
    assert version_in("ffmpeg version n9.0 Copyright (c) 2000-2026") == "FFmpeg n9.0"
    assert version_in("something else") == "FFmpeg of unknown version"
